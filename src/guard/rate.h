/*
 * The guards `rate` and `rate_of_user`: how often somebody may ask. [rate NAME] sections say how
 * often, and who somebody is; routes name the sections. Those whose key needs to know the user are
 * asked behind the guard that finds that out, all others before it, so that who guesses passwords
 * is slowed down too.
 *
 * 429 with Retry-After above the rate. Every answer of such a route says how much is
 * left: RateLimit and RateLimit-Policy as of draft-ietf-httpapi-ratelimit-headers-10.
 */
#ifndef FOREBAY_GUARD_RATE_H
#define FOREBAY_GUARD_RATE_H

#include "guard/guard.h"

extern const struct guard_kind guard_rate;
extern const struct guard_kind guard_rate_of_user;

#endif
