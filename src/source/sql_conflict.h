/*
 * What holds a change of a database: the kinds of its rules, for every SQL
 * driver. A driver that is refused by one sets sql_call.conflict to the word
 * and says ERR_CONFLICT; the client gets 409 and the word alone, because the
 * library's own text may tell names, and in some libraries values.
 */
#ifndef FOREBAY_SOURCE_SQL_CONFLICT_H
#define FOREBAY_SOURCE_SQL_CONFLICT_H

/* SQL_CONFLICT(id, word): the words of Forebay-Conflict. */
#define SQL_CONFLICTS                                                                              \
	SQL_CONFLICT(UNIQUE, "unique") /* a primary key, too */                                    \
	SQL_CONFLICT(FOREIGN_KEY, "foreign-key")                                                   \
	SQL_CONFLICT(CHECK, "check")                                                               \
	SQL_CONFLICT(NOT_NULL, "not-null")                                                         \
	SQL_CONFLICT(EXCLUSION, "exclusion")                                                       \
	SQL_CONFLICT(RULE, "rule") /* another: a trigger that refuses, a column's type */

enum sql_conflict {
#define SQL_CONFLICT(id, word) SQL_CONFLICT_##id,
	SQL_CONFLICTS
#undef SQL_CONFLICT
};

static inline const char *
sql_conflict_word(enum sql_conflict c)
{
	static const char *const words[] = {
#define SQL_CONFLICT(id, word) [SQL_CONFLICT_##id] = word,
		SQL_CONFLICTS
#undef SQL_CONFLICT
	};

	return words[c];
}

#endif
