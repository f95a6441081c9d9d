/*
 * The entry of the linked binary: runs after the dynamic loader, instead of the runtime's _start, and
 * rewrites the initial stack in place, so that `./lxd list` becomes `deno run ... lxd list`:
 *
 *   argc' = argc + injected;  argv' = injected..., argv[0]...;  envp' = injected..., envp less dropped
 *
 * Freestanding and position independent: no libc, no relocations, no system calls. tools/link puts a
 * table (struct table) and the strings right behind the code.
 */
typedef unsigned long u64;
typedef long s64;
typedef unsigned int u32;

struct table {
	s64 entry;		/* the runtime's own entry, relative to this table */
	s64 environ_slot;	/* GOT slot of libc's environ, relative to this table; 0: none */
	u32 arguments;		/* strings put before argv[0] */
	u32 variables;		/* strings put before envp[0] */
	u32 strings;		/* where the strings begin, relative to this table */
	u32 dropped;		/* prefixes of variables that are removed ... */
	u32 kept;		/* ... unless they have one of these prefixes */
	u32 unused;
};

extern __attribute__((visibility("hidden"))) struct table table;

static inline const char *next_string(const char *string)
{
	while (*string++)
		;
	return string;
}

static inline int has_prefix(const char *string, const char *prefix)
{
	while (*prefix)
		if (*string++ != *prefix++)
			return 0;
	return 1;
}

static inline int has_any_prefix(const char *string, const char *prefixes, u32 count)
{
	int found = 0;
	for (u32 i = 0; i < count && !found; i++, prefixes = next_string(prefixes))
		found = has_prefix(string, prefixes);
	return found;
}

static inline const char *skip_strings(const char *string, u32 count)
{
	for (u32 i = 0; i < count; i++)
		string = next_string(string);
	return string;
}

/* The runtime reads ~/.npmrc and ends if it is broken: it gets a home that is none, and the program
 * puts the caller's, kept as ~OME, back in its place. */
static inline int is_home(const char *v)
{
	return v[0] == 'H' && v[1] == 'O' && v[2] == 'M' && v[3] == 'E' && v[4] == '=';
}

/* The caller made room below `stack` for the injected words; returns the new top of the stack. */
__attribute__((used, visibility("hidden"), noinline))
u64 *rewrite_stack(u64 *stack, struct table *t)
{
	u64 argc = stack[0];
	char **argv = (char **)(stack + 1), **env = argv + argc + 1, **end = env, **write;
	const char *arguments = (const char *)t + t->strings;
	const char *variables = skip_strings(arguments, t->arguments);
	const char *dropped = skip_strings(variables, t->variables);
	const char *kept = skip_strings(dropped, t->dropped);
	char *name = argv[0];

	/* Compact the environment upwards, so that the auxiliary vector still follows it. */
	while (*end)
		end++;
	write = end;
	for (char **read = end; read > env;) {
		char *variable = *--read;
		if (is_home(variable))
			variable[0] = '~';
		if (!has_any_prefix(variable, dropped, t->dropped) ||
		    has_any_prefix(variable, kept, t->kept))
			*--write = variable;
	}

	/* Freed slots count against the injected words; the stack stays 16-byte aligned. */
	s64 shift = (s64)(t->arguments + t->variables) - (write - env);
	s64 padding = shift & 1;
	shift += padding;
	u64 *top = stack - shift;
	char **new_argv = (char **)(top + 1);

	/* argv[1...] first; which end to begin with depends on the direction. */
	s64 move = (s64)t->arguments - shift;
	if (move <= 0)
		for (u64 i = 1; i <= argc; i++)
			argv[(s64)i + move] = argv[i];
	else
		for (u64 i = argc; i >= 1; i--)
			argv[(s64)i + move] = argv[i];

	top[0] = argc + t->arguments;
	for (u32 i = 0; i < t->arguments; i++, arguments = next_string(arguments))
		new_argv[i] = (char *)arguments;
	new_argv[t->arguments] = name;
	char **new_env = write - t->variables;
	const char *variable = variables;
	for (u32 i = 0; i < t->variables; i++, variable = next_string(variable))
		new_env[i] = (char *)variable;
	new_argv[argc + t->arguments] = 0;
	if (padding) {
		/* One word too many: the first variable stands twice. */
		new_env--;
		new_env[0] = t->variables ? (char *)variables : new_env[1];
	}
	if (t->environ_slot)
		**(char ****)((char *)t + t->environ_slot) = new_env;
	return top;
}

#if defined(__x86_64__)
__asm__(".section .text.0,\"ax\"\n"
	".globl _entry\n"
	"_entry:\n"
	"	endbr64\n"
	"	mov %rsp, %rdi\n"
	"	lea table(%rip), %rsi\n"
	"	mov 16(%rsi), %eax\n"	/* room for the new words and some slack */
	"	add 20(%rsi), %eax\n"
	"	add $4, %eax\n"
	"	mov %rdx, %r12\n"	/* the loader's termination function */
	"	shl $3, %rax\n"
	"	sub %rax, %rsp\n"
	"	and $-16, %rsp\n"
	"	mov %rsi, %r13\n"
	"	call rewrite_stack\n"
	"	mov %r12, %rdx\n"
	"	mov %rax, %rsp\n"
	"	add (%r13), %r13\n"
	"	jmp *%r13\n"
	"	.text\n");
#elif defined(__aarch64__)
__asm__(".section .text.0,\"ax\"\n"
	".globl _entry\n"
	"_entry:\n"
	"	bti jc\n"
	"	mov x19, x0\n"		/* the loader's termination function */
	"	mov x0, sp\n"
	"	adr x20, table\n"
	"	mov x1, x20\n"
	"	ldp w2, w3, [x20, #16]\n"	/* room for the new words and some slack */
	"	add w2, w2, w3\n"
	"	add w2, w2, #4\n"
	"	lsl x2, x2, #3\n"
	"	sub x2, x0, x2\n"
	"	and x2, x2, #-16\n"
	"	mov sp, x2\n"
	"	bl rewrite_stack\n"
	"	mov sp, x0\n"
	"	mov x0, x19\n"
	"	ldr x2, [x20]\n"
	"	add x2, x20, x2\n"
	"	br x2\n"
	"	.text\n");
#else
#error "x86_64 and aarch64 only"
#endif

__asm__(".section .text.z,\"ax\"\n"
	".balign 16\n"
	".globl table\n"
	".hidden table\n"
	"table:\n"
	"	.text\n");
