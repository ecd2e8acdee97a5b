"""The client of `test_negotiation.test_aiortc`: a process of its own, because aiortc needs asyncio.

It writes a JSON line to stdout for each description of its own and reads one from stdin for each of the server's.
"""

import asyncio
import json
import signal
import sys

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

LIMIT_S = 30


def say(connection: RTCPeerConnection) -> None:
    transceivers = {each.mid: each.currentDirection for each in connection.getTransceivers()}
    print(json.dumps({"sdp": connection.localDescription.sdp, "transceivers": transceivers}), flush=True)


async def hear(connection: RTCPeerConnection, kind: str) -> None:
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await connection.setRemoteDescription(RTCSessionDescription(json.loads(line)["sdp"], kind))


async def offering() -> None:
    """Joins with sound and picture, then asks for two more pictures."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="sendrecv")
    connection.addTransceiver("video", direction="sendonly")
    for pictures in (0, 2):
        for _ in range(pictures):
            connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        say(connection)
        await hear(connection, "answer")
    say(connection)
    await connection.close()


async def answering() -> None:
    """Answers two offers of the server."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for _ in range(2):
        await hear(connection, "offer")
        await connection.setLocalDescription(await connection.createAnswer())
        say(connection)
    await connection.close()


if __name__ == "__main__":
    signal.alarm(LIMIT_S)
    asyncio.run({"offering": offering, "answering": answering}[sys.argv[1]]())
