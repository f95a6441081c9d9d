/*
 * Runs the helper's own main() with argument vectors from standard input, each in a child of its own.
 * Built with -Dmain=helper_main and sanitizers for the helper's sources. Input: vectors of
 * NUL-ended words, an empty word ends a vector. Output: one line "<exit status> <words>" for each
 * vector whose child died by a signal, a sanitizer or the time limit; last line "done <count>".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int helper_main(int argc, char **argv);

enum { WORDS = 64, SECONDS = 10, SANITIZER_STATUS = 86 };

static int run(int argc, char **argv)
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		alarm(SECONDS);
		_exit(helper_main(argc, argv));
	}
	if (waitpid(child, &status, 0) != child)
		return -1;
	return status;
}

int main(void)
{
	static char input[1 << 25];
	size_t length = fread(input, 1, sizeof input - 1, stdin);
	char *words[WORDS + 2] = { "helper" };
	int argc = 1, count = 0;
	for (char *word = input; word < input + length; word += strlen(word) + 1) {
		if (*word != '\0' && argc <= WORDS) {
			/* "\1" stands for the empty word, which ends a vector. */
			words[argc++] = strcmp(word, "\1") == 0 ? "" : word;
			continue;
		}
		words[argc] = NULL;
		int status = run(argc, words);
		if (!WIFEXITED(status) || WEXITSTATUS(status) == SANITIZER_STATUS) {
			printf("%d", status);
			for (int i = 1; i < argc; i++)
				printf(" %.80s", words[i]);
			printf("\n");
		}
		count++;
		argc = 1;
	}
	printf("done %d\n", count);
	return 0;
}
