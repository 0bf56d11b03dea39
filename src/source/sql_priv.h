/*
 * What the files of the kind `sql` share: the sections and the parts as sql.c
 * has read them, and the table of functions by which it leaves all else to one
 * way of running statements, chosen by the scheme of the database's url.
 *
 *   sql.c          the kind: keys, sections, parameters of parts
 *   sql_pool.c     statements on the threads of a pool, one connection for each:
 *                  for libraries that block, behind sql_driver.h
 *   sql_postgres.c statements on the worker's own loop (sql_postgres_priv.h)
 */
#ifndef FOREBAY_SOURCE_SQL_PRIV_H
#define FOREBAY_SOURCE_SQL_PRIV_H

#include "source/sql_driver.h"
#include "source/wait.h"

/* Behind the name of a pool that a database of PostgreSQL has: no other may be called so. */
#define SQL_OPENER ".opener"

enum sql_empty { SQL_EMPTY_200, SQL_EMPTY_404 };

/* [database NAME] */
struct database_conf {
	struct slice url;
	unsigned connections, max_queue;
	struct wait_conf wait;
	uint64_t statement_timeout_ns;
	enum sql_mode mode;
	/* Of databases behind a network. */
	uint64_t connect_timeout_ns;
	struct slice password_file;
};

struct postgres;
struct postgres_script;

/* source->state. */
struct database {
	struct sql_database sql;
	const struct database_conf *conf;
	const struct sql_engine *engine;
	const struct sql_driver *driver; /* of sql_pool.c */
	struct pool *pool; /* of sql_pool.c; borrowed: the site's */
	struct pool *writer; /* the same for parts that write; NULL: there are none yet */
	struct postgres *postgres; /* of sql_postgres.c */
	unsigned statements; /* of all parts so far */
};

/* The keys of a part, and what load_part() made of them. */
struct sql_part {
	struct slice query;
	enum sql_shape shape;
	enum sql_empty empty;
	struct conf_family binds;
	struct conf_list json; /* names of columns */
	struct sql_statement statement;
	struct cost *cost; /* of sql_pool.c; borrowed from the pool; or NULL */
	const struct postgres_script *script; /* of sql_postgres.c */
	unsigned first_value; /* of statement.params in a row, in q->value[] */
};

/* A way to run statements. Mistakes are told at the section by load() and check(). */
struct sql_engine {
	/* Builder: d->conf and d->sql are there. */
	int (*load)(struct source *s, struct source_build *b, struct database *d);
	void (*settle)(struct database *d); /* or NULL */
	void (*unload)(struct database *d); /* or NULL */
	/* Builder, per part: names the parameters of s. ERR_SYNTAX, ERR_FAILED: told; ERR_MEMORY.
	 */
	int (*check)(struct part *p, struct source_build *b, struct database *d,
		     struct sql_statement *s);
	/* The rest as of struct source_ops; what is NULL is not needed. */
	struct pool *(*pool)(const struct part *p);
	void (*bounds)(const struct part *p, struct source_bounds *b);
	int (*attach)(struct source *s, struct lease *l);
	void (*detach)(struct source *s, struct lease *l);
	int (*reserve)(struct subrequest *q[], size_t n);
	void (*release)(struct subrequest *q);
	void (*start)(struct subrequest *q);
	void (*cancel)(struct subrequest *q);
};

extern const struct sql_engine sql_pool; /* sql_pool.c */
extern const struct sql_engine sql_postgres; /* sql_postgres.c; when built with libpq */

static inline struct database *
sql_database_of(const struct part *p)
{
	return p->source->state;
}

#endif
