/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A page that is not there until the test says so: whoever touches it, be it
 * the program or the kernel on its behalf, blocks meanwhile.
 */
#ifndef UPROBE_TEST_MISSING_PAGE_H
#define UPROBE_TEST_MISSING_PAGE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor for the others, or -errno; -ENOSYS if the kernel has none. */
static inline int missing_page_make(long **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .len = 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (unsigned long)*page;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		return -errno;
	return fd;
}

/* Returns once somebody waits for the page. */
static inline int missing_page_wait(int fd)
{
	struct uffd_msg msg;

	return read(fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

/* Makes a page of which the first word is @value, and wakes all who wait. */
static inline int missing_page_fill(int fd, long *page, long value)
{
	static long content[512] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (unsigned long)page,
		.src = (unsigned long)content,
		.len = 4096,
	};

	content[0] = value;
	return ioctl(fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

#endif
