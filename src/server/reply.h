/*
 * What a command is answered with: done or refused, a sentence, and what is
 * wrong with the configuration, line by line. Filled by whoever carries the
 * command out, written for people or for programs by whoever sends it.
 */
#ifndef FOREBAY_SERVER_REPLY_H
#define FOREBAY_SERVER_REPLY_H

#include "base/buffer.h"
#include "config/errors.h"

enum {
	REPLY_MESSAGE_BYTES = 512, /* longer sentences are cut */
	REPLY_BYTES = 4 << 20, /* a reply as text or JSON is never longer */
};

struct reply {
	int status; /* 200 done, 202 begun; from 400 on: nothing has changed */
	char message[REPLY_MESSAGE_BYTES]; /* one sentence, without newline */
	struct conf_errors errors; /* warnings may be among them when it is done, too */
};

void reply_init(struct reply *r);
void reply_fini(struct reply *r);
void reply_say(struct reply *r, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * Appends it. As text: the message, then one line for each error, as forebayd -t prints them. As
 * JSON: {"ok": true, "message": "...", "errors": [{"file": "...", "line": 3, "severity":
 * "error", "message": "..."}]}.
 */
void reply_write(struct buffer *b, struct reply *r, bool is_json);

#endif
