/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What errno_table.c tests on x86_64 only: instructions may begin anywhere, and
 * not all bytes are one.
 */

/* An instruction that would go on past the last offset there is. */
TEST(end_of_the_largest_file)
{
	const unsigned long last_page = LONG_MAX & -PAGE;
	int fd = code_file(1);
	char *map;

	ASSERT_EQ(0, ftruncate(fd, LONG_MAX));
	/* mmap() refuses the last page, but a mapping may grow onto it. */
	map = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, last_page - PAGE);
	ASSERT_NE(MAP_FAILED, (void *)map);
	map = mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, (void *)map);
	EXPECT_EQ(-EFBIG, attach(fd, LONG_MAX - 9));
	EXPECT_EQ(-EFBIG, attach(fd, LONG_MAX - 1));
	EXPECT_EQ(-EIO, attach(fd, LONG_MAX));
	munmap(map, 2 * PAGE);
}

TEST(no_instruction)
{
	char *map;
	unsigned char code[ARCH_CODE_MAX];
	int fd = file_of(code, arch_code_undecodable(code), &map);

	EXPECT_EQ(-ENOEXEC, attach(fd, PROBED));
	EXPECT_EQ(code[0], (unsigned char)map[PROBED]);
}
