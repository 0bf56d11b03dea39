/*
 * The half of switches that C can say; see switch.h. What switch_prepare lays
 * out is what the assembly takes back.
 */
#include "flow/switch.h"

#include "base/assert.h"

#include <stdint.h>
#include <string.h>

#if SWITCH_IS_NATIVE

/* switch_x86_64.S, switch_aarch64.S */
void switch_stacks(void **from, void *to);
void switch_begin(void);

#if defined(__x86_64__)
/* From the address that switch_stacks leaves, upwards. */
struct frame {
	uint32_t mxcsr, x87_control;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	void (*begin)(void);
	uint64_t end[2]; /* for who walks the stack: it ends here */
};

static void
fill(struct frame *f, switch_entry_fn entry, void *argument)
{
	*f = (struct frame){
		.mxcsr = 0x1f80, /* as a process begins: all exceptions masked, to nearest */
		.x87_control = 0x037f,
		.rbx = (uint64_t)(uintptr_t)argument,
		.r12 = (uint64_t)(uintptr_t)entry,
		.begin = switch_begin,
	};
}
#else
struct frame {
	uint64_t x[10]; /* x19 to x28 */
	uint64_t x29;
	void (*begin)(void); /* x30 */
	uint64_t d[8]; /* d8 to d15 */
	uint64_t end[2];
};

static void
fill(struct frame *f, switch_entry_fn entry, void *argument)
{
	*f = (struct frame){
		.x = { (uint64_t)(uintptr_t)argument, (uint64_t)(uintptr_t)entry },
		.begin = switch_begin,
	};
}
#endif

void
switch_prepare(struct switch_place *p, char *base, size_t bytes, switch_entry_fn entry,
	       void *argument)
{
	uintptr_t top = ((uintptr_t)base + bytes) & ~(uintptr_t)15;
	struct frame *f = (struct frame *)(top - sizeof(*f));

	/* Both ways of calling want a stack pointer that is a multiple of 16. */
	_Static_assert(sizeof(*f) % 16 == 0, "the frame keeps the alignment");
	fill(f, entry, argument);
	p->sp = f;
}

void
switch_to(struct switch_place *from, struct switch_place *to)
{
	switch_stacks(&from->sp, to->sp);
}

#endif

/* --- by ucontext --------------------------------------------------------------------- */

/* makecontext passes ints alone. */
static void
begin(unsigned high, unsigned low)
{
	struct switch_portable *p =
	    (struct switch_portable *)((uintptr_t)high << 32 | (uintptr_t)low);

	p->entry(p->argument);
	ASSERT(0);
}

void
switch_portable_prepare(struct switch_portable *p, char *base, size_t bytes, switch_entry_fn entry,
			void *argument)
{
	uint64_t at = (uint64_t)(uintptr_t)p;

	p->entry = entry;
	p->argument = argument;
	if (getcontext(&p->of) != 0)
		ASSERT(0);
	p->of.uc_stack.ss_sp = base;
	p->of.uc_stack.ss_size = bytes;
	p->of.uc_link = NULL;
	makecontext(&p->of, (void (*)(void))begin, 2, (unsigned)(at >> 32), (unsigned)at);
}

void
switch_portable_to(struct switch_portable *from, struct switch_portable *to)
{
	if (swapcontext(&from->of, &to->of) != 0)
		ASSERT(0);
}
