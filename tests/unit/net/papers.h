/*
 * Certificates for tests of net/tls*: made on the spot, in a folder of their
 * own, self-signed; and a listener section that names them.
 */
#ifndef FOREBAY_TESTS_NET_PAPERS_H
#define FOREBAY_TESTS_NET_PAPERS_H

#include "config/conf.h"
#include "net/tls_context.h"

enum { PAPERS_PATH = 256, PAPERS_TEXT = 4096 };

struct papers {
	char folder[PAPERS_PATH];
	struct conf_errors errors;
	struct conf *conf; /* of the last papers_context() */
	char said[PAPERS_TEXT]; /* errors and warnings of the last papers_context() */
};

void papers_open(struct papers *p);
void papers_close(struct papers *p);
/* NAME.pem and NAME.key for these DNS names, separated by commas; key: "RSA" or "EC". */
void papers_issue(struct papers *p, const char *name, const char *dns, const char *key);
/* A context from such lines of a [listen] section, in which file names stand without their folder.
 * NULL: p->said says why. */
struct tls_context *papers_context(struct papers *p, const char *lines,
				   const struct tls_context *prior);

#endif
