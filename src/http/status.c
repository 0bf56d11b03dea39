/*
 * Response statuses; see status.h.
 */
#include "http/status.h"

struct row {
	int status;
	struct slice reason;
};

enum index_of {
	INDEX_OTHER,
#define STATUS(code, reason) INDEX_##code,
#include "http/statuses.def"
#undef STATUS
	INDEX_COUNT
};

static const struct row rows[INDEX_COUNT] = {
	[INDEX_OTHER] = { 0, SLICE_INIT("Unknown") },
#define STATUS(code, reason) [INDEX_##code] = { code, SLICE_INIT(reason) },
#include "http/statuses.def"
#undef STATUS
};

static const uint8_t index_by_status[600] = {
#define STATUS(code, reason) [code] = INDEX_##code,
#include "http/statuses.def"
#undef STATUS
};

unsigned
status_index(int status)
{
	return status >= 0 && status < 600 ? index_by_status[status] : INDEX_OTHER;
}

int
status_at(unsigned index)
{
	return index < INDEX_COUNT ? rows[index].status : 0;
}

struct slice
status_reason(int status)
{
	return rows[status_index(status)].reason;
}

bool
status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}
