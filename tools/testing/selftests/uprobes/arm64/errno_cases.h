/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What errno_table.c tests on arm64 only: instructions do not begin anywhere.
 */

TEST(misaligned)
{
	unsigned char code[ARCH_CODE_MAX];
	char *map;
	int fd = file_of(code, arch_code_stepped(code, 1), &map);

	for (int i = 1; i < ARCH_INSN_ALIGN; i++)
		EXPECT_EQ(-EINVAL, attach(fd, PROBED + i));
	EXPECT_EQ(code[0], (unsigned char)map[PROBED]);
}

/* What a file has no room for is read as zero, and can be probed. */
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
	EXPECT_LE(0, attach(fd, LONG_MAX & -ARCH_INSN_ALIGN));
	EXPECT_EQ(-EINVAL, attach(fd, LONG_MAX));
	munmap(map, 2 * PAGE);
}
