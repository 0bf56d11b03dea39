/*
 * The pages of the admin listeners: what each path answers. Monitor thread.
 */
#ifndef FOREBAY_SERVER_PAGE_H
#define FOREBAY_SERVER_PAGE_H

#include "base/buffer.h"
#include "http/exchange.h"

/* exchange->host is the struct server. Pages are answered at once, from inside
 * begin; commands, which the desk takes, when they are done. */
extern const struct exchange_app page_app;

/* The whole answer; takes the body's text. x may be gone after it. */
void page_respond(struct exchange *x, int status, struct slice type, struct buffer *body);

#endif
