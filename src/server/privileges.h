/*
 * Dropping root: after the sockets are bound, before anything else is opened.
 */
#ifndef FOREBAY_SERVER_PRIVILEGES_H
#define FOREBAY_SERVER_PRIVILEGES_H

#include "base/err.h"
#include "base/slice.h"

/* Becomes `user` (a name or a number) for good, groups included; does nothing
 * but say so when not root, or when user is empty. ERR_NOT_FOUND or ERR_SYSTEM, logged. Main
 * thread, before any other is started. */
int privileges_drop(struct slice user) MUST_CHECK;

#endif
