/*
 * Shared by site.c, site_open.c and site_dump.c alone.
 */
#ifndef FOREBAY_SERVER_SITE_PRIV_H
#define FOREBAY_SERVER_SITE_PRIV_H

#include "server/keys.h"
#include "server/site.h"

/* What may stand in brackets. */
extern const struct conf_kind site_kinds[];

#endif
