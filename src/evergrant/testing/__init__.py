"""THE DOLLS' HOUSE. Shipped fakes, one per port; the contract suites run on them as well.

Answers for: fakes that behave, transactions and refusals included. Does not answer for: proof
that the real plug works; that is what running the same suite on both is for.
"""
