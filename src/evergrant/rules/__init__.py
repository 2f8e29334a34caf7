"""THE LIBRARY. What is true about ids, terms, lifecycles, invitations, marketplaces and limits.

Answers for: decisions. Values go in, a decision value comes out. Does not answer for: doing
anything; nothing in here asks the clock, the environment, the network, the disk or chance.
"""
