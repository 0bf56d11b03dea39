/*
 * Values as they are written in a configuration: yes, 250ms, 16k, 60%, 1.5.
 * Pure functions over trimmed text. ERR_SYNTAX: not of that form; ERR_TOO_LARGE:
 * it is, but does not fit. Nothing is changed on error.
 */
#ifndef FOREBAY_CONFIG_VALUE_H
#define FOREBAY_CONFIG_VALUE_H

#include "base/err.h"
#include "base/writer.h"

int value_bool(struct slice s, bool *value) MUST_CHECK; /* yes, no */
/* Decimal digits; one '-' before them is allowed. */
int value_int(struct slice s, int64_t *value) MUST_CHECK;
/* Digits alone; at most INT64_MAX, as all below. */
int value_uint(struct slice s, uint64_t *value) MUST_CHECK;
/* Digits and a unit, us ms s m h d; plain 0 is allowed. */
int value_duration(struct slice s, uint64_t *ns) MUST_CHECK;
/* Digits, alone or with k m g (powers of 1024). */
int value_size(struct slice s, uint64_t *bytes) MUST_CHECK;
/* Digits and %; no upper bound here. */
int value_percent(struct slice s, uint64_t *percent) MUST_CHECK;
/* Digits, with up to three more after a point: 1.5 is 1500 thousandths. */
int value_decimal(struct slice s, uint64_t *thousandths) MUST_CHECK;

/* Without spaces, tabs and newlines at either end. */
struct slice value_trim(struct slice s);
/* Cuts the next item of a comma-separated list, trimmed; false at the end. A
 * comma at the end is allowed; any other empty item is given as empty. */
bool value_next(struct slice *rest, struct slice *item);

/* The shortest exact text, as the functions above read it. */
void value_write_duration(struct writer *w, uint64_t ns);
void value_write_size(struct writer *w, uint64_t bytes);
void value_write_decimal(struct writer *w, uint64_t thousandths);

#endif
