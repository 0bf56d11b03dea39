/*
 * Why credentials were not taken, for counters, logs and challenges.
 */
#ifndef FOREBAY_AUTH_FAULT_H
#define FOREBAY_AUTH_FAULT_H

enum fault {
	FAULT_NONE,
#define FAULT(name, counter, code, text) FAULT_##name,
#include "auth/faults.def"
#undef FAULT
	FAULTS
};

#endif
