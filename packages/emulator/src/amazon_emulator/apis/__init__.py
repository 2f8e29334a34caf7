"""The APIs that are played with state: one module each with its `OPERATIONS`, gathered in `played`.

Answers for: reading a call as Amazon's models describe it, and wording the answer. What is
remembered lives in `trade`; who may call at all is decided by the endpoint.
"""

__all__: list[str] = []
