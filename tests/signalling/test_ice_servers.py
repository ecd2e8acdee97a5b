"""What KPOINT clients are told of STUN and TURN: the credentials that a TURN server with the shared secret accepts."""

import base64
import hashlib
import hmac

from signalling import IceServers


def test_without_servers_there_is_an_empty_list() -> None:
    assert IceServers().for_user("ann", 0.0) == ()


def test_stun_needs_no_credentials_and_turn_has_some_that_expire() -> None:
    servers = IceServers(("stun:s.example:3478", "turn:t.example", "turns:t.example:5349"), "secret", 600.0)
    stun, turn = servers.for_user("ann", 1000.9)
    assert (stun.urls, stun.username, stun.credential) == (("stun:s.example:3478",), None, None)
    assert turn.urls == ("turn:t.example", "turns:t.example:5349")
    assert turn.username == "1600:ann"
    assert turn.credential is not None
    # What coturn computes with use-auth-secret.
    assert base64.b64decode(turn.credential) == hmac.new(b"secret", b"1600:ann", hashlib.sha1).digest()


def test_credentials_are_kept_out_of_logs() -> None:
    servers = IceServers(("turn:t.example",), "secret")
    (turn,) = servers.for_user("ann", 0.0)
    assert "secret" not in repr(servers) and str(turn.credential) not in repr(turn)
