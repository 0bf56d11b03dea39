/*
 * How a tree is built: for load.c and key.c, nobody else.
 */
#ifndef FOREBAY_CONFIG_CONF_PRIV_H
#define FOREBAY_CONFIG_CONF_PRIV_H

#include "config/conf.h"

/* An empty tree; NULL without memory. */
struct conf *conf_new(void) MUST_CHECK;
/* A file called `name`; NULL without memory or above CONF_MAX_FILES. */
struct conf_file *conf_add_file(struct conf *c, const char *name, const char *dir) MUST_CHECK;
/* Copies the names. NULL without memory or above CONF_MAX_SECTIONS. */
struct conf_section *conf_add_section(struct conf *c, struct slice kind,
				      struct slice name) MUST_CHECK;
/* Copies key and raw; the value is the raw one. NULL without memory. */
struct conf_entry *conf_add_entry(struct conf_section *s, struct slice key,
				  struct slice raw) MUST_CHECK;
/* As conf_entry, by a slice. */
struct conf_entry *conf_entry_of(const struct conf_section *s, struct slice key);

#endif
