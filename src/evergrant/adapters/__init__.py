"""PIPES. The real plugs for ``ports``: Amazon, the database, key rings, mail, webhooks, the clock.

Answers for: speaking with the world. Does not answer for: deciding anything; pipes know ports,
errors and rules, never a room.
"""
