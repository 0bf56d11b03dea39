/*
 * Flights: equal parts that share one execution (`coalesce = KEY`). The first to come starts it;
 * who comes while it is under way waits for the same answer. It is nobody's: it has a copy of the
 * first one's request, so that any who wait may leave, the first one too, each at its own time-out.
 * When the last has left, the work is cancelled.
 *
 *   run A  --> flight_join --.                        .--> head, body, done of A's part
 *   run B  --> flight_join ---+--> flight --> source --+
 *   run C  --> flight_join --'                        '--> of C's part; B has left
 *
 * A source may have copied the deadline of the take-off, which later ones outlive: refused or
 * dropped by that, it takes off again for those who still have time.
 *
 * Of one worker and one lease: parts in other workers do not see it, and no lock is taken. The
 * answer is collected first, then given to all, its bytes by reference.
 */
#ifndef FOREBAY_PLAN_FLIGHT_H
#define FOREBAY_PLAN_FLIGHT_H

#include "base/err.h"
#include "base/slice.h"

struct run_part;

/*
 * p, of which q.deadline_ns and q.value are set and its timers run, waits for an execution with the
 * key: q gets head, body and done as of its source, from inside when the source answers at once. An
 * error: nothing came of it, with q.refusal filled for ERR_SHED.
 */
int flight_join(struct run_part *p, struct slice key) MUST_CHECK;
/* p is the first that got the answer of those who keep it under the key of who asked: they may
 * share what they would not keep as one. Inside its done. */
bool flight_is_first(const struct run_part *p);
/* p waits no more. Nothing comes to it after this. */
void flight_leave(struct run_part *p);

#endif
