/*
 * Error pages: what clients see instead of a status' own phrase. Made while a
 * site is built, then only read, by every worker; an exchange borrows those of
 * its site. They change bodies alone: status and fields of a refusal stay.
 */
#ifndef FOREBAY_HTTP_ERROR_PAGE_H
#define FOREBAY_HTTP_ERROR_PAGE_H

#include "http/request.h"

struct exchange;

enum { ERROR_PAGE_FIRST = 400, ERROR_PAGE_LAST = 599 };

struct error_page {
	struct slice type, body;
	struct slice json; /* for clients that would rather have JSON; at NULL: none */
};

struct error_pages {
	const struct error_page *by_status[ERROR_PAGE_LAST - ERROR_PAGE_FIRST + 1];
};

/* NULL: there is none; so if pages is NULL. */
const struct error_page *error_pages_find(const struct error_pages *pages, int status);
/* The body that suits the client, and its type. */
void error_page_choose(const struct error_page *p, const struct request *q, struct slice *type,
		       struct slice *body);
/* From now on, before the head: answers of the exchange's source whose status has a page get that
 * page for a body, and lose the fields that describe theirs. ERR_MEMORY. */
int error_pages_intercept(struct exchange *x) __attribute__((warn_unused_result));

#endif
