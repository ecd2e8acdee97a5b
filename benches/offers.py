"""The generator's offers: what a browser's say about one video, and nothing that only clutters.

One BUNDLE: an audio section that is not used, so that publishers and subscribers look alike, then the video (VP8 with
RTX, the feedback and header extensions that a browser offers for it). A subscriber joins with the audio section alone
and appends its video when it subscribes, as the Room API wants.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from sfu.wire.sdp import Fingerprint, Media, SessionDescription

AUDIO_MID: Final = "0"
VIDEO_MID: Final = "1"
VP8: Final = 96
RTX: Final = 97
TWCC_URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
TWCC_ID: Final = 3
MID_ID: Final = 4

HEAD = """\
v=0
o=- {session} {version} IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE {mids}
a=msid-semantic: WMS *
"""

TRANSPORT = """\
c=IN IP4 0.0.0.0
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:{algorithm} {digest}
a=setup:actpass
a=rtcp-mux
a=rtcp-rsize
"""

AUDIO = """\
m=audio 9 UDP/TLS/RTP/SAVPF 111
{transport}a=mid:{mid}
a=inactive
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
"""

VIDEO = """\
m=video 9 UDP/TLS/RTP/SAVPF {vp8} {rtx}
{transport}a=mid:{mid}
a={direction}
a=extmap:{twcc_id} {twcc_uri}
a=extmap:{mid_id} {mid_uri}
a=rtpmap:{vp8} VP8/90000
a=rtcp-fb:{vp8} transport-cc
a=rtcp-fb:{vp8} ccm fir
a=rtcp-fb:{vp8} nack
a=rtcp-fb:{vp8} nack pli
a=rtpmap:{rtx} rtx/90000
a=fmtp:{rtx} apt={vp8}
"""

SOURCE = """\
a=msid:bench camera
a=ssrc-group:FID {ssrc} {rtx_ssrc}
a=ssrc:{ssrc} cname:bench
a=ssrc:{rtx_ssrc} cname:bench
"""


class NotOffered(Exception):
    """An answer that the bench cannot be run with."""


@attrs.frozen
class Endpoint:
    """The client's half of ICE and DTLS."""

    session: int
    ufrag: str
    password: str
    fingerprint: Fingerprint

    def _text(self, version: int, sections: Sequence[str], mids: Sequence[str]) -> str:
        head = HEAD.format(session=self.session, version=version, mids=" ".join(mids))
        return (head + "".join(sections)).replace("\n", "\r\n")

    def _transport(self) -> str:
        return TRANSPORT.format(
            ufrag=self.ufrag,
            password=self.password,
            algorithm=self.fingerprint.algorithm,
            digest=self.fingerprint.digest.hex(":").upper(),
        )

    def _audio(self) -> str:
        return AUDIO.format(transport=self._transport(), mid=AUDIO_MID)

    def _video(self, direction: str) -> str:
        return VIDEO.format(
            transport=self._transport(),
            mid=VIDEO_MID,
            direction=direction,
            vp8=VP8,
            rtx=RTX,
            twcc_id=TWCC_ID,
            twcc_uri=TWCC_URI,
            mid_id=MID_ID,
            mid_uri=MID_URI,
        )

    def audience(self) -> str:
        """Joins without sending anything."""
        return self._text(1, [self._audio()], [AUDIO_MID])

    def subscriber(self) -> str:
        """The audience's next offer, with a video to be sent to it."""
        return self._text(2, [self._audio(), self._video("recvonly")], [AUDIO_MID, VIDEO_MID])

    def publisher(self, ssrc: int, rtx_ssrc: int) -> str:
        """Joins with a camera."""
        video = self._video("sendonly") + SOURCE.format(ssrc=ssrc, rtx_ssrc=rtx_ssrc)
        return self._text(1, [self._audio(), video], [AUDIO_MID, VIDEO_MID])


@attrs.frozen
class Stream:
    """What an answer says about the video: SSRCs of what is sent to us (0: none), header extensions (0: not taken)."""

    pt: int
    ssrc: int
    rtx_ssrc: int
    twcc_id: int
    mid_id: int


def read_stream(answer: SessionDescription) -> Stream:
    video = section(answer, VIDEO_MID)
    codec = next((codec for codec in video.codecs if codec.name.upper() == "VP8"), None)
    if codec is None or video.direction == "inactive":
        raise NotOffered(f"the video section was answered {video.direction}, codec {codec}")
    pair = next((group.ssrcs for group in video.ssrc_groups if group.semantics == "FID"), ())
    if len(pair) != 2:
        pair = (video.ssrcs[0].ssrc if video.ssrcs else 0, 0)
    ids = {extension.uri: extension.id for extension in video.extensions}
    return Stream(codec.pt, pair[0], pair[1], ids.get(TWCC_URI, 0), ids.get(MID_URI, 0))


def section(answer: SessionDescription, mid: str) -> Media:
    for media in answer.media:
        if media.mid == mid and not media.rejected:
            return media
    raise NotOffered(f"the answer has no section {mid}")
