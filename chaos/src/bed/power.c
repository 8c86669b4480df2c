/* Takes the power of a file system (EXT4_IOC_SHUTDOWN without flushing the journal): what was synced stays,
 * what was not is lost, and every later write or sync fails. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define WITHOUT_JOURNAL 2u

int main(int count, char **words) {
    uint32_t how = WITHOUT_JOURNAL;
    int fd = count == 2 ? open(words[1], O_RDONLY | O_DIRECTORY) : -1;
    if (fd < 0 || ioctl(fd, EXT4_IOC_SHUTDOWN, &how)) {
        perror("power");
        return 1;
    }
    return 0;
}
