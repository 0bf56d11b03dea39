/*
 * Why a part failed, and what that means for the client: two tables.
 */
#include "plan/run_priv.h"

enum outcome
cause_outcome(int err)
{
	static const enum outcome by_err[ERR_COUNT] = {
		[ERR_INDEX_NONE] = OUTCOME_OK,          [ERR_INDEX_TIMEOUT] = OUTCOME_TIMEOUT,
		[ERR_INDEX_DEADLINE] = OUTCOME_TIMEOUT, [ERR_INDEX_SHED] = OUTCOME_SHED,
		[ERR_INDEX_FULL] = OUTCOME_SHED,        [ERR_INDEX_SHUTDOWN] = OUTCOME_SHED,
		[ERR_INDEX_CONNECT] = OUTCOME_CONNECT,  [ERR_INDEX_TOO_LARGE] = OUTCOME_TOO_LARGE,
		[ERR_INDEX_MISSING] = OUTCOME_MISSING,  [ERR_INDEX_CANCELLED] = OUTCOME_CANCELLED,
		[ERR_INDEX_GONE] = OUTCOME_CANCELLED,   [ERR_INDEX_CONFLICT] = OUTCOME_CONFLICT,
	};
	unsigned index = (unsigned)-err;

	if (err == 0)
		return OUTCOME_OK;
	if (index >= ERR_COUNT || by_err[index] == OUTCOME_OK)
		return OUTCOME_ERROR;
	return by_err[index];
}

/* Statuses that say something about the request, which the client should hear. */
static bool
is_handed_on(int status)
{
	switch (status) {
	case 401:
	case 403:
	case 404:
	case 410:
	case 422:
	case 429:
		return true;
	default:
		return false;
	}
}

int
cause_status(const struct run_part *p)
{
	switch (p->outcome) {
	case OUTCOME_STATUS:
		return is_handed_on(p->head.status) ? p->head.status : 502;
	case OUTCOME_TIMEOUT:
		return 504;
	case OUTCOME_SHED:
		return p->q.refusal.status ? (int)p->q.refusal.status : 503;
	case OUTCOME_CONFLICT:
		return 409;
	case OUTCOME_UNNEEDED:
		return 404; /* of several choices none was one */
	case OUTCOME_SKIPPED:
		return p->err == ERR_DEADLINE ? 504 : 502;
	default:
		return p->err == ERR_MEMORY ? 503 : 502;
	}
}
