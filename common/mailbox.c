/* SPDX-License-Identifier: MIT */
/* Mail between the daemon's threads: see mailbox.h. */
#include "common/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int xsp_mailbox_init(struct xsp_mailbox *box)
{
	*box = (struct xsp_mailbox){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	pthread_mutex_init(&box->lock, NULL);
	return box->fd < 0 ? -errno : 0;
}

void xsp_mailbox_fini(struct xsp_mailbox *box)
{
	close(box->fd);
	pthread_mutex_destroy(&box->lock);
}

void xsp_mailbox_post(struct xsp_mailbox *box, struct xsp_mail *mail)
{
	uint64_t one = 1;
	ssize_t n;

	mail->next = NULL;
	pthread_mutex_lock(&box->lock);
	if (box->tail)
		box->tail->next = mail;
	else
		box->head = mail;
	box->tail = mail;
	pthread_mutex_unlock(&box->lock);
	/* Fails only when the counter is full, and then the fd is readable anyway. */
	n = write(box->fd, &one, sizeof(one));
	(void)n;
}

unsigned int xsp_mailbox_run(struct xsp_mailbox *box, void *owner)
{
	struct xsp_mail *mail, *next;
	unsigned int run = 0;
	uint64_t count;
	ssize_t n;

	n = read(box->fd, &count, sizeof(count));
	(void)n;
	pthread_mutex_lock(&box->lock);
	mail = box->head;
	box->head = box->tail = NULL;
	pthread_mutex_unlock(&box->lock);
	for (; mail; mail = next, run++) {
		next = mail->next;
		mail->fn(mail, owner);
	}
	return run;
}
