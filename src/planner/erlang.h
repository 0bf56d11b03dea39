/*
 * Closed forms of M/M/c: jobs of exponential length, no bound on the queue.
 * Pure functions, for any thread; `work` is the load in erlangs (arrival rate
 * times mean service), `servers` at least 1. Those about waits want work <
 * servers.
 * Source: Erlang (1917); Kleinrock, Queueing Systems I (1975); Wolff (1989).
 */
#ifndef FOREBAY_PLANNER_ERLANG_H
#define FOREBAY_PLANNER_ERLANG_H

/* The share that is refused where nobody may wait. */
double erlang_b(double work, unsigned servers);
/* The share that waits where all may; 1 for work >= servers. */
double erlang_c(double work, unsigned servers);
/* P(wait + service > t), t in mean service times. */
double erlang_response_over(double work, unsigned servers, double t);
/* The mean service with which exponential jobs, coming at that rate, have that mean response; that
 * of jobs that share as many processors, too. */
double erlang_service(double rate, unsigned servers, double response);

#endif
