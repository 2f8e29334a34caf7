"""How Amazon words its failures, by face and status, where nobody wished for other words.

Answers for: code and message of a status. Those of the Selling Partner API are of its models and of
recorded calls, those of documents and queues of S3's and SQS's pages 'ErrorResponses' and
'CommonErrors'; those of Login with Amazon are partly approximated, see `faces.lwa`. What is not
listed gets the words of HTTP.
"""

from __future__ import annotations

from http import HTTPStatus

__all__ = ["words_for"]

_LWA = {
    400: ("invalid_request", "The request is missing a required parameter"),
    401: ("invalid_client", "Client authentication failed"),
    403: ("access_denied", "The resource owner denied the request"),
    429: ("temporarily_unavailable", "Rate exceeded"),
    500: ("server_error", "The server encountered an internal error"),
    503: ("temporarily_unavailable", "The service is temporarily unavailable"),
}
_SPAPI = {
    400: ("InvalidInput", "Request has missing or invalid parameters and cannot be parsed."),
    401: ("Unauthorized", "Access to requested resource is denied."),
    403: ("Unauthorized", "Access to requested resource is denied."),
    404: ("NotFound", "The resource specified does not exist."),
    409: ("Conflict", "The resource specified conflicts with the current state."),
    413: ("RequestTooLarge", "The request size exceeded the maximum accepted size."),
    415: ("UnsupportedMediaType", "The request payload is in an unsupported format."),
    429: ("QuotaExceeded", "You exceeded your quota for the requested resource."),
    500: ("InternalFailure", "We encountered an internal error. Please try again."),
    503: ("ServiceUnavailable", "Service is temporarily unavailable. Please try again."),
}
_DOCUMENTS = {
    400: ("RequestTimeout", "Your socket connection to the server was not read from in time."),
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    429: ("SlowDown", "Please reduce your request rate."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("SlowDown", "Please reduce your request rate."),
}
_AWS = {
    400: ("ThrottlingException", "Rate exceeded"),
    403: ("AccessDenied", "Access to the resource is denied."),
    404: ("ResourceNotFound", "The specified resource does not exist."),
    429: ("ThrottlingException", "Rate exceeded"),
    500: ("InternalFailure", "The request processing has failed because of an unknown error."),
    503: ("ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
}
_BY_FACE = {"lwa": _LWA, "spapi": _SPAPI, "documents": _DOCUMENTS, "aws": _AWS}


def words_for(face: str, status: int) -> tuple[str, str]:
    """Code and message."""
    known = _BY_FACE[face].get(status)
    if known is not None:
        return known
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Client Error" if status < 500 else "Server Error"
    if face == "lwa":
        return ("invalid_request" if status < 500 else "server_error"), phrase
    words = phrase.replace("'", "").replace("-", " ").title()
    return words.replace(" ", ""), f"{phrase}."
