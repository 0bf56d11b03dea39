/*
 * Where HTTP/2's frames begin in a stream of bytes (RFC 9113 4.1): the head of
 * each, before anybody has spent anything on what it says. A pure codec.
 */
#ifndef FOREBAY_WIRE_H2_FRAMES_H
#define FOREBAY_WIRE_H2_FRAMES_H

#include "base/slice.h"

enum { H2_PREFACE_BYTES = 24, H2_FRAME_HEAD_BYTES = 9 };

/* RFC 9113 6; 9218 7.1 */
enum h2_frame_type {
	H2_FRAME_DATA,
	H2_FRAME_HEADERS,
	H2_FRAME_PRIORITY,
	H2_FRAME_RST_STREAM,
	H2_FRAME_SETTINGS,
	H2_FRAME_PUSH_PROMISE,
	H2_FRAME_PING,
	H2_FRAME_GOAWAY,
	H2_FRAME_WINDOW_UPDATE,
	H2_FRAME_CONTINUATION,
	H2_FRAME_PRIORITY_UPDATE = 16,
};

enum { H2_FLAG_END_STREAM = 1, H2_FLAG_ACK = 1, H2_FLAG_END_HEADERS = 4 };

struct h2_frame_head {
	uint32_t length; /* of what follows */
	uint8_t type, flags;
	uint32_t stream; /* its reserved bit is cleared */
};

/* Made with h2_frames_init(). */
struct h2_frames {
	uint32_t left; /* bytes of the preface or of a payload that are to come */
	uint32_t have; /* bytes of a head that came */
	unsigned char head[H2_FRAME_HEAD_BYTES];
};

/* The first thing to come is the client's preface. */
void h2_frames_init(struct h2_frames *f);
/* Goes on through *in to the end of the next frame's head, which goes to *head: true; or through
 * all of it. */
bool h2_frames_next(struct h2_frames *f, struct slice *in, struct h2_frame_head *head);

/* Takes what of *rest, which ends where *in does, stands before the head that h2_frames_next() has
 * just found: so that it is taken in before the frame is judged. */
static inline struct slice
h2_frames_before(struct slice *rest, struct slice in)
{
	/* A head may have begun in bytes that came earlier. */
	size_t n = rest->len - in.len;
	size_t head = n < H2_FRAME_HEAD_BYTES ? n : H2_FRAME_HEAD_BYTES;
	struct slice before = slice_make(rest->at, n - head);

	*rest = slice_after(*rest, before.len);
	return before;
}

/* Something has begun that is not complete. */
static inline bool
h2_frames_is_inside(const struct h2_frames *f)
{
	return f->left > 0 || f->have > 0;
}

/* The client's preface (RFC 9113 3.4). */
extern const char h2_preface[H2_PREFACE_BYTES];
/* Whether these first bytes of a connection are, or may become, the preface. */
static inline bool
h2_preface_is_start(struct slice s)
{
	return memcmp(s.at, h2_preface, s.len < H2_PREFACE_BYTES ? s.len : H2_PREFACE_BYTES) == 0;
}

#endif
