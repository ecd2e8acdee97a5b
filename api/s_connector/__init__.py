"""The s-connector REST API (contract s-connector, sections 1 to 8 and 10), beside quart; see plain.py.

    app.py       paths, methods, CORS, envelopes
    door.py      whose token a request bears
    auth.py      POST /v1/auth
    licence.py   GET /v1/info
    sessions.py  GET /v1/sessions, GET /v1/sessions/<room>
    usage.py     GET /v1/static

A request is looked at in this order: path, method, token, parameters (section 8).
"""

from api.s_connector.app import mount

__all__ = ["mount"]
