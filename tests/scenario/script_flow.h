/*
 * A flow that does what its route's key `script` says, step by step:
 *
 *   call A     all A,B     any A,B      and with "!" behind the word: returns when it fails
 *   sleep 5                             milliseconds
 *   set NAME=TEXT                       {flow.NAME}
 *   put A      say TEXT    get NAME     into the answer
 *   status 404 field X=TEXT
 *   burn 12                             holds the thread, milliseconds of real time
 *   deaf                                from here on, goes on though it was cancelled
 *   fail                                returns ERR_FAILED
 */
#ifndef FOREBAY_TESTS_SCENARIO_SCRIPT_FLOW_H
#define FOREBAY_TESTS_SCENARIO_SCRIPT_FLOW_H

#include "flow/flow.h"

extern const struct flow_type *const script_flows[];
enum { SCRIPT_FLOWS = 2 }; /* script; and strict, which says what it calls and reads */

#endif
