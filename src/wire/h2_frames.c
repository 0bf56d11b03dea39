/*
 * The heads of HTTP/2's frames; see h2_frames.h.
 */
#include "wire/h2_frames.h"

/* A NUL behind it would be one byte too many. */
const char h2_preface[H2_PREFACE_BYTES] = {
	'P', 'R', 'I',  ' ',  '*',  ' ',  'H', 'T', 'T',  'P',  '/',  '2',
	'.', '0', '\r', '\n', '\r', '\n', 'S', 'M', '\r', '\n', '\r', '\n',
};

void
h2_frames_init(struct h2_frames *f)
{
	*f = (struct h2_frames){ .left = H2_PREFACE_BYTES };
}

static void
unpack(const unsigned char *at, struct h2_frame_head *head)
{
	head->length = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
	head->type = at[3];
	head->flags = at[4];
	head->stream =
	    (uint32_t)(at[5] & 0x7f) << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8];
}

bool
h2_frames_next(struct h2_frames *f, struct slice *in, struct h2_frame_head *head)
{
	uint32_t n = in->len < f->left ? (uint32_t)in->len : f->left;

	f->left -= n;
	*in = slice_after(*in, n);
	n = H2_FRAME_HEAD_BYTES - f->have;
	if (in->len < n)
		n = (uint32_t)in->len;
	if (n == 0)
		return false;
	memcpy(f->head + f->have, in->at, n);
	f->have += n;
	*in = slice_after(*in, n);
	if (f->have < H2_FRAME_HEAD_BYTES)
		return false;
	unpack(f->head, head);
	f->left = head->length;
	f->have = 0;
	return true;
}
