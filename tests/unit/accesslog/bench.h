/*
 * For tests of the access log: formats from configuration text, and an exchange to
 * write lines of.
 */
#ifndef FOREBAY_TESTS_ACCESSLOG_BENCH_H
#define FOREBAY_TESTS_ACCESSLOG_BENCH_H

#include "accesslog/access_line.h"

enum { BENCH_LINE_BYTES = 1 << 17, BENCH_ERROR_BYTES = 4096, BENCH_FIELDS = 8 };

struct bench {
	struct store store;
	struct arena arena;
	struct conf *conf;
	struct conf_errors errors;
	struct access_conf keys;
	const struct access_format *format;
	struct address client;
	struct field request_fields[BENCH_FIELDS], response_fields[BENCH_FIELDS];
	struct exchange x;
	struct access_entry e;
	struct access_clock clock;
	char said[BENCH_ERROR_BYTES]; /* the errors of the configuration */
	char line[BENCH_LINE_BYTES];
};

/* GET /a?b=c of 127.0.0.1:5000 by HTTP/1.1 without fields, answered by route "r" with 200 and 12
 * bytes after 1.5 ms, at the end of 2026-01-02T03:04:05.678. */
void bench_open(struct bench *b);
void bench_close(struct bench *b);
/* Compiles these lines of [access_log]; the errors are said. */
void bench_read(struct bench *b, const char *keys);
/* Adds a field to the request or the response. */
void bench_add(struct fields *fields, const char *name, struct slice value);
/* The line, without its end, which it must have. */
const char *bench_line(struct bench *b);
/* format = template, and its line. */
const char *bench_template(struct bench *b, const char *template);

#endif
