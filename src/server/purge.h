/*
 * Purging: what a cache keeps is taken out of a running server, by command.
 */
#ifndef FOREBAY_SERVER_PURGE_H
#define FOREBAY_SERVER_PURGE_H

struct command;
struct server;

/* c->name is a cache; c->value a key or a URI, the beginning of some with a * behind it, or empty:
 * all. Of a URI with no scheme it is both. Main
 * thread; answers c at once. A key takes all its variants along. */
void purge_run(struct server *s, struct command *c);

#endif
