/*
 * The gate of a pool: who is let in, and who comes next. Decisions only: no
 * thread, no clock, no memory of its own; pool.c and pool_jobs.c call it, and a
 * simulation in the tests does, with a clock of its own.
 *
 *   ask --reserve--> (its work counts from here) --file--> queue --take--> run --end-->
 *          | no: full, wait, standing              | evict, remove   | hopeless: unrun
 *
 * ORDER_FIFO: first come, first served; refused when the mean run time of all
 * jobs says that the wait would be too long.
 *
 * ORDER_ADAPTIVE: strict classes, the earliest deadline first within each. One
 * that would not end in time is refused when it comes: W, the predicted wait, is
 * the expected work before it over the threads; the margin is 1.5 deviations of
 * its own cost and of what lies before it. When no thread has been idle for a
 * while, or more has come than can be done, the queue is standing: it is mere
 * delay (the test of Nichols and Jacobson, "Controlling queue delay", CACM 55(7)
 * 2012, made a limit of admission). It is held at a third of the time that jobs
 * have, at a fifth while twice as much comes as can be done, and at less the more
 * it is: what a flood leaves behind is done when those who were refused come again
 * (gate_demand.c says what comes). And one that waiting has made hopeless is not
 * run.
 *
 * A job that begins when others have ended is promised its place, and redeems the
 * promise when it is ready: it counts neither as a busy thread nor as work until
 * then, and is not refused any more. Promises are given as long as the wait that
 * such jobs will find is none that would be refused now (gate_later.c).
 *
 *   ask_later, reserve --> promise --redeem--> reserved
 *                             | lapse: the job will not come
 *
 * Who may call what: reserve without the lock, release, submitted, end, and the
 * averages: any thread. All else under the pool's lock. Without the lock the work
 * before a job is taken to be all of its class and of those above, filed or not:
 * exact when deadlines come in order, else too much; so a "no" is asked once more
 * under the lock if that can be had at once. Asking and counting are two steps:
 * threads that reserve in the same instant may each overlook the others' work (one
 * ask each); the number of jobs is one compare-and-swap and never passes its limit, but by those
 * that give back what others have taken and by promises that come all at once.
 */
#ifndef FOREBAY_THREAD_GATE_H
#define FOREBAY_THREAD_GATE_H

#include "base/slice.h"
#include "thread/cost.h"
#include "thread/edf.h"

enum gate_order { ORDER_FIFO, ORDER_ADAPTIVE };
/* In the order in which they are served. */
enum gate_class { CLASS_CRITICAL, CLASS_NORMAL, CLASS_SHEDDABLE, CLASSES };
enum gate_verdict {
	GATE_OPEN,
	GATE_FULL, /* max_queue */
	GATE_WAIT, /* longer than max_wait, or past the deadline */
	GATE_STANDING, /* the queue has not been empty for long, and must not grow */
};

/* What is filed. A gate has one queue, under the pool's lock. Where several threads ask one gate
 * and each serves what it filed itself, as with connections to a database, each has one of its
 * own, which is a part of the whole; then asks and jobs name it. */
struct gate_queue {
	struct edf line[CLASSES];
	bool is_part; /* what others have filed is taken to be alike */
};

/* What is asked for: n jobs, admitted as one. Made with gate_ask(), gate_ask_more(). */
struct gate_ask {
	enum gate_class priority;
	bool is_again; /* it was refused a moment ago, and is asked once more: its work counts once
			*/
	bool is_underway; /* what has begun goes on: refused by max_queue alone, but counted */
	bool is_giving_back; /* one for each that was let in: never refused, but counted */
	bool takes_over; /* the places of those that were evicted for it, above the limit or not */
	unsigned jobs;
	struct slice share; /* whose it is, for the pool's shares; borrowed; at NULL: nobody's */
	const struct gate_queue *queue; /* the asking thread's own; NULL: the gate's */
	uint64_t now_ns;
	uint64_t deadline_ns; /* the earliest of theirs; absolute, CLOCK_NEVER: none */
	uint64_t work_ns; /* expected, of all */
	uint64_t longest_ns; /* until its deadline is met, of the one that takes longest */
	uint64_t dev_ns; /* the largest of their deviations */
	/* Of gate_ask_later(). */
	bool is_later; /* all of them begin when others have ended: they are promised */
	bool is_new; /* nothing is known of when one of them will */
	uint64_t delay_ns; /* until the last of them is expected to begin */
	uint64_t load; /* that they bring, as in struct gate_line */
	uint64_t comes_ns; /* of the expected work; not every promise is redeemed */
};

/* A place that is promised to one job; redeemed or let lapse once. */
struct gate_promise {
	uint64_t made_ns; /* 0: there is none */
	uint64_t load; /* its share of that of its line */
};

/* In struct job. */
struct gate_job {
	struct edf_node node; /* deadline and expected work */
	struct gate_queue *queue; /* the filing thread's own; NULL: the gate's */
	enum gate_class priority;
	struct cost *cost; /* of its kind, beside that of all jobs; or NULL */
	uint64_t units; /* how much there is to do; 0: it does not say */
	uint64_t deadline_ns, submitted_ns;
	bool has_thread; /* nobody was before it: set when it was submitted */
};

/* What is asked for, let in or not; gate_demand.c. */
struct gate_demand {
	_Atomic uint64_t since_ns; /* when the present window began */
	_Atomic uint64_t work_ns; /* asked for in it */
	_Atomic uint64_t load; /* of the one before it: GATE_LOAD_ONE keeps a thread busy */
	_Atomic uint64_t usual; /* averaged over about a second */
	_Atomic uint64_t
	    calm_ns; /* when it, and what comes before it, was last seen to be no flood */
};

#define GATE_LOAD_ONE (UINT64_C(1) << 20)

/* Jobs of one class: reserved, submitted or filed. */
struct gate_line {
	_Atomic uint64_t work_ns;
	atomic_uint jobs;
	_Atomic uint64_t load; /* that its promises bring: GATE_LOAD_ONE keeps a thread busy */
	/* When all that was promised here and above would be done, had it come at once. */
	_Atomic uint64_t booked_ns;
	struct gate_demand demand;
};

struct pool_gate {
	enum gate_order order;
	/* Limits; whoever reads an old one beside a new one decides as if a moment earlier. */
	atomic_uint threads, max_queue;
	_Atomic uint64_t max_wait_ns; /* 0: none */
	atomic_uint admitted; /* reserved, waiting and running */
	atomic_uint replaced; /* admitted, but lost for good, and others serve in their stead */
	atomic_uint waiting; /* submitted and not taken */
	atomic_uint promised; /* none of which is admitted */
	_Atomic uint64_t running_ns; /* expected work of those that run */
	_Atomic uint64_t idle_ns; /* when a thread was last seen without work */
	_Atomic uint64_t tried_ns; /* when several that could not be in time were last let in */
	struct cost mix; /* of all jobs */
	struct gate_line line[CLASSES];
	struct gate_queue queue;
	bool is_lone; /* one thread alone has it: no word needs a locked instruction */
};

void gate_init(struct pool_gate *g, enum gate_order order);
/* Limits, as they may be read meanwhile. */
void gate_set_threads(struct pool_gate *g, unsigned threads);
void gate_set_queue(struct pool_gate *g, unsigned max_queue, uint64_t max_wait_ns);
void gate_queue_init(struct gate_queue *q, bool is_part);

/* What a job of that kind, with so much to do, is expected to take; 0 when nothing is known. NULL:
 * as all jobs do. */
uint64_t gate_expect(const struct pool_gate *g, const struct cost *c, uint64_t units);
/* Adds one job to an ask, which begins as { .priority, .now_ns, .deadline_ns = CLOCK_NEVER }.
 * Returns what it is expected to take, which is its share of the reservation. */
uint64_t gate_ask_more(const struct pool_gate *g, struct gate_ask *a, const struct cost *c,
		       uint64_t units, uint64_t deadline_ns);
/* The same of a job that begins when others have ended; an ask is of such jobs, or of none. What is
 * promised, once the ask is reserved, is *p. */
uint64_t gate_ask_later(const struct pool_gate *g, struct gate_ask *a, const struct cost *c,
			uint64_t units, uint64_t deadline_ns, struct gate_promise *p);

/* So many places are free: so many jobs have them, and count as running from here on, without
 * submitted, file and take. False: gate_reserve(). */
bool gate_enter(struct pool_gate *g, unsigned jobs, uint64_t work_ns, uint64_t now_ns)
    __attribute__((warn_unused_result));
/* All jobs of the ask, or none. is_locked: the queue may be looked at. */
enum gate_verdict gate_reserve(struct pool_gate *g, const struct gate_ask *a, bool is_locked)
    __attribute__((warn_unused_result));
/* Under the lock: whether the ask would be refused for nothing but the number of jobs, which
 * `excess` fewer of lower classes would cure, never more than it asks for: then it can be asked
 * again. */
bool gate_could_evict(struct pool_gate *g, struct gate_ask *a, unsigned *excess);
/* Gives reserved places back. */
void gate_release(struct pool_gate *g, enum gate_class priority, unsigned jobs, uint64_t work_ns);
/* The job is ready: it has a reserved place, of so much expected work. Any thread. */
void gate_redeem(struct pool_gate *g, enum gate_class priority, struct gate_promise *p,
		 struct cost *c, uint64_t now_ns, uint64_t work_ns);
/* It will not come. Any thread. */
void gate_lapse(struct pool_gate *g, enum gate_class priority, struct gate_promise *p,
		struct cost *c);
/* A reserved job is handed over, and not filed yet. */
void gate_submitted(struct pool_gate *g, struct gate_job *j);
/* It takes its place in the queue. */
void gate_file(struct pool_gate *g, struct gate_job *j);
/* The next one; NULL when none is filed. */
struct gate_job *gate_take(struct pool_gate *g);
/* A filed one leaves the queue. */
void gate_remove(struct pool_gate *g, struct gate_job *j);
/* The next one of a queue, which stays in it; NULL when none is filed. */
struct gate_job *gate_first(const struct gate_queue *q);
/* The one that can best be spared for a job of that class: of a lower class, the lowest, the
 * latest deadline; NULL: none. It stays in the queue. */
struct gate_job *gate_spare(const struct gate_queue *q, enum gate_class priority);
/* Whether a job that was taken waited so long that it cannot be expected to end in time. One that
 * never could be was let in by an idle thread: it runs, or its cost would never be known better.
 * So does one that found a thread for each admitted job: it waited for that to wake, not for
 * others. */
bool gate_is_hopeless(const struct pool_gate *g, const struct gate_job *j, uint64_t now_ns);
void gate_start(struct pool_gate *g, const struct gate_job *j);
/* One that was started has ended. */
void gate_end(struct pool_gate *g, const struct gate_job *j, uint64_t now_ns, uint64_t took_ns,
	      enum cost_run how);
/* One that runs will never end, as it seems: its work is not waited for any more. Not while it
 * ends. */
void gate_lose(struct pool_gate *g, struct gate_job *j);
/* So many more of those have a thread in their stead, or, as unsigned numbers go round, fewer. */
void gate_replace(struct pool_gate *g, unsigned jobs);
/* One that is reserved, and was never submitted, runs. */
void gate_skip(struct pool_gate *g, const struct gate_job *j);
/* One that counts as running did not end, but waits (again): it is reserved and not submitted. */
void gate_return(struct pool_gate *g, const struct gate_job *j);
/* The job is no longer the gate's: its place is free. After end, or when it will not run. */
void gate_leave(struct pool_gate *g);
/* How long until all that is known of now has ended. */
uint64_t gate_drain_ns(const struct pool_gate *g);

#endif
