/*
 * What is left to send of a file's answer: texts and bytes in turn, taken from the
 * cheapest place that has them without waiting. A file_reading owns it and
 * brings what only a job can read. Worker.
 */
#ifndef FOREBAY_SOURCE_FILE_BODY_H
#define FOREBAY_SOURCE_FILE_BODY_H

#include "source/file_reply.h"

enum { FILE_PIECE_BYTES = 256 << 10 }; /* by sendfile or by a job */

struct file_body {
	const struct file_conf *conf; /* borrowed */
	struct file_entry *entry; /* borrowed: outlives the exchange */
	struct file_reply reply;
	unsigned span; /* the one at hand; its `from` moves */
	bool is_text_added; /* of that span */
	bool takes_ranges; /* the reader knows what to do with ranges of files */
};

/* Fills q->response and what is to be sent. The body must stay where it is. ERR_MEMORY. */
int file_body_open(struct file_body *b, struct subrequest *q, struct file_entry *e) MUST_CHECK;

static inline bool
file_body_is_done(const struct file_body *b)
{
	return b->span == b->reply.spans;
}

/* Where the next bytes are in the file, and how many of them there are in a row, up to `most`. */
uint64_t file_body_at(const struct file_body *b);
size_t file_body_left(const struct file_body *b, size_t most);
/* Texts that stand before the next bytes, or at the end. Once before each file_body_pass(). */
int file_body_add_texts(struct file_body *b, struct chunks *list) MUST_CHECK;
/* n bytes have been put on the list by the caller: goes on behind them. */
int file_body_pass(struct file_body *b, struct chunks *list, size_t n) MUST_CHECK;
/* Texts and one piece. *n is 0 when a job must read it; ERR_FAILED: the file has ended early. */
int file_body_add_piece(struct file_body *b, struct chunks *list, uint64_t now_ns,
			size_t *n) MUST_CHECK;
/* All that is left, at most FILE_PIECE_BYTES; ERR_BUSY, and nothing changed: some of it is not
 * known to be cached. */
int file_body_add_all(struct file_body *b, struct chunks *list, uint64_t now_ns) MUST_CHECK;

#endif
