"""Amazon's two pipes, over HTTP: Login with Amazon and the Selling Partner API."""

from evergrant.adapters.amazon.lwa import HttpLWA
from evergrant.adapters.amazon.selling_partner_api import HttpSellingPartnerApi
from evergrant.adapters.amazon.user_agent import user_agent

__all__ = ["HttpLWA", "HttpSellingPartnerApi", "user_agent"]
