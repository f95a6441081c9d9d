/*
 * The entry of the linked binary: runs after the dynamic loader, instead of the runtime's _start.
 *
 * - A call that is about exec tells the daemon at once that a process will be moved, so that the
 *   kernel's wait for that runs while the runtime starts (daemon/cgroup/move_socket.ts).
 * - It does the runtime's relative relocations, in the loader's place: in a compact form, and with one
 *   system call for the pages instead of a fault for each, which takes half of the time.
 * - It rewrites the initial stack in place, so that `./lxd list` becomes `deno run ... lxd list`:
 *
 *     argc' = argc + injected;  argv' = injected..., argv[0]...;  envp' = injected..., envp less dropped
 *
 * Freestanding and position independent: no libc, no relocations of its own. tools/link puts a table
 * (struct table), the strings and the places of the relocations right behind the code.
 */
typedef unsigned long u64;
typedef long s64;
typedef unsigned int u32;
typedef unsigned short u16;

struct table {
	s64 entry;		/* the runtime's own entry, relative to this table */
	s64 environ_slot;	/* GOT slot of libc's environ, relative to this table; 0: none */
	u32 arguments;		/* strings put before argv[0] */
	u32 variables;		/* strings put before envp[0] */
	u32 strings;		/* where the strings begin, relative to this table */
	u32 dropped;		/* prefixes of variables that are removed ... */
	u32 kept;		/* ... unless they have one of these prefixes */
	u32 relocations;	/* words that say which words of the program are relocated */
	s64 base;		/* where the program begins, relative to this table */
	s64 relocated;		/* the first of those words, relative to this table */
	u64 pages;		/* the first page that is relocated, relative to the base ... */
	u64 page_bytes;		/* ... and the size of them all */
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

static s64 system_call(s64 number, s64 a, s64 b, s64 c)
{
#if defined(__x86_64__)
	s64 result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
#else
	register s64 x8 __asm__("x8") = number, x0 __asm__("x0") = a;
	register s64 x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

#if defined(__x86_64__)
enum { CLOSE = 3, MADVISE = 28, SOCKET = 41, CONNECT = 42 };
#else
enum { CLOSE = 57, MADVISE = 233, SOCKET = 198, CONNECT = 203 };
#endif
enum { AF_UNIX = 1, SOCK_STREAM = 1, SOCK_NONBLOCK = 04000, SOCK_CLOEXEC = 02000000 };
enum { MADV_POPULATE_WRITE = 23 };

static int is_word(const char *string, const char *word)
{
	while (*word && *string == *word)
		string++, word++;
	return *string == *word;
}

/* Appends to `path`, which ends at `end`; 0: there is no room. */
static char *append(char *path, char *end, const char *string)
{
	while (path < end && (*path = *string++))
		path++;
	return path < end ? path : 0;
}

/* Nobody there, no permission: then the move itself waits. */
static void expect_move(char **argv, u64 argc)
{
	struct {
		u16 family;
		char path[108];
	} address = { AF_UNIX, "" };
	char *end = address.path + sizeof(address.path), *path = address.path;
	const char *folder = "/var/lib/lxd";
	int is_exec = 0;

	for (u64 i = 1; i < argc; i++)
		is_exec |= is_word(argv[i], "exec") || is_word(argv[i], "shell");
	if (!is_exec)
		return;
	for (char **env = argv + argc + 1; *env; env++)
		if (has_prefix(*env, "LXD_DIR=") && (*env)[8])
			folder = *env + 8;
	path = append(path, end, folder);
	path = path ? append(path, end, "/move.socket") : 0;
	if (!path)
		return;
	s64 fd = system_call(SOCKET, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	system_call(CONNECT, fd, (s64)&address, sizeof(address.family) + (path - address.path) + 1);
	system_call(CLOSE, fd, 0, 0);
}

/*
 * The words are those of DT_RELR: an even one is an address, an odd one a map of the 63 words behind.
 * A kernel that can't fill in the pages (before 5.14) does it as they are written.
 */
static void relocate(struct table *t)
{
	u64 base = (u64)t + t->base, *where = 0;
	const u64 *words = (const u64 *)((char *)t + t->relocated);

	if (t->relocations)
		system_call(MADVISE, base + t->pages, t->page_bytes, MADV_POPULATE_WRITE);
	for (u32 i = 0; i < t->relocations; i++) {
		u64 word = words[i];
		if (word & 1) {
			for (u64 *at = where; word >>= 1; at++)
				if (word & 1)
					*at += base;
			where += 63;
		} else {
			where = (u64 *)(base + word);
			*where++ += base;
		}
	}
}

/* The caller made room below `stack` for the injected words; returns the new top of the stack. */
static u64 *rewrite_stack(u64 *stack, struct table *t)
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

__attribute__((used, visibility("hidden"), noinline))
u64 *prepare(u64 *stack, struct table *t)
{
	expect_move((char **)(stack + 1), stack[0]);
	relocate(t);
	return rewrite_stack(stack, t);
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
	"	call prepare\n"
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
	"	bl prepare\n"
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
