/*
 * The pages of the admin listeners: what each path answers. Monitor thread.
 */
#ifndef FOREBAY_SERVER_PAGE_H
#define FOREBAY_SERVER_PAGE_H

#include "http/exchange.h"

/* exchange->host is the struct server. Answers at once, from inside begin. */
extern const struct exchange_app page_app;

#endif
