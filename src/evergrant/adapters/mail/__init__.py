"""Mail pipes: one so far, an SMTP relay."""

from evergrant.adapters.mail.relay import Relay, SmtpMail

__all__ = ["Relay", "SmtpMail"]
