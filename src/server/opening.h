/*
 * Opening a listener, or saying why not and what to do about it: for all
 * sections that have an address. Main thread.
 */
#ifndef FOREBAY_SERVER_OPENING_H
#define FOREBAY_SERVER_OPENING_H

#include "net/listener.h"

enum { OPENING_BYTES = 512 }; /* enough for the reason */

/* Binds l->address; for systemd:NAME takes the socket that was passed. On failure `why`
 * reads "cannot listen on 127.0.0.1:80: bind: Permission denied; choose ...". */
int opening_listen(struct listener *l, struct writer *why) MUST_CHECK;

#endif
