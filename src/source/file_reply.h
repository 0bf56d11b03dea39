/*
 * What is answered about a file that is there: all of it, ranges of it (RFC 9110
 * 14, one or several as multipart/byteranges), or that the client has it
 * already or asked for what it is not (RFC 9110 13). Fills in the head; what
 * is to be sent after it is a list of spans.
 */
#ifndef FOREBAY_SOURCE_FILE_REPLY_H
#define FOREBAY_SOURCE_FILE_REPLY_H

#include "source/file_entry.h"
#include "source/subrequest.h"

/* A text, and bytes of the file behind it; either may be empty. */
struct file_span {
	struct slice text; /* in the arena */
	uint64_t from, end;
};

struct file_reply {
	struct file_span only; /* where one will do */
	struct file_span *span; /* borrowed: the arena's, or &only */
	unsigned spans; /* 0: the head is all */
	bool is_refusal; /* 412 or 416: the status' own phrase is the body */
};

/* Fills q->response, and q->prepared where it can. The reply must stay where it is. ERR_MEMORY. */
int file_reply_make(struct file_reply *reply, struct subrequest *q,
		    const struct file_entry *e) MUST_CHECK;

#endif
