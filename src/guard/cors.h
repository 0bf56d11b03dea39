/*
 * Cross-origin requests as the Fetch standard has them (3.2): which pages of other origins may read
 * a route's answers, and which requests they may send. The guard `cors` answers preflights and
 * gives every other answer of its route the fields that belong to it. On workers.
 *
 * A preflight asks about another method than its own. It is for the route that would take the
 * request that it announces, and meets the guards of that route up to this one: who is not let in
 * by address learns nothing from a preflight, and nobody is asked for a password by one.
 */
#ifndef FOREBAY_GUARD_CORS_H
#define FOREBAY_GUARD_CORS_H

#include "guard/guard.h"

extern const struct guard_kind guard_cors;

/* True for a preflight: *method is what it asks about. */
bool cors_is_preflight(const struct request *q, enum method *method);
/* Whether a guard of that kind is among them. */
bool cors_is_among(const struct guard_list *guards);

#endif
