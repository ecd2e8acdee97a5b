"""How large a picture is, as the first packet of a key frame says it.

VP8: the frame header of a key frame (RFC 6386 9.1) after the payload descriptor (RFC 7741). H.264: a sequence
parameter set (H.264 7.3.2.1.1) alone in its packet or in a STAP-A (RFC 6184 5.6, 5.7.1); baseline, main and extended
profiles only, as no other is negotiated. A set that is cut into FU-A is not put together, for encoders make none so long.

Payloads come from strangers: nothing beyond `size` is read, and what does not parse says nothing.
"""

from libc.stdint cimport uint8_t, uint16_t

# 1 and both sizes, 1 to 16383 pixels; or 0 and nothing touched.
cdef bint picture_size(int codec, uint8_t *payload, int size, uint16_t *width, uint16_t *height) noexcept nogil
