/* SPDX-License-Identifier: MIT */
/*
 * Lets a PV guest with Linux 6.1 set a device's MSI-X up more than once, as the NVMe driver does.
 *
 * When a driver gives its MSI-X interrupts back, the kernel first notes that the device has none and
 * then asks what it has: so Dom0 hears "no more MSI" instead of "no more MSI-X", and refuses the next
 * set-up (EALREADY). The driver is left with the line interrupt, which a virtual function hasn't got.
 * This module stands between: for a device that can do MSI-X alone it says the right word, also once
 * when it is loaded. Runs in a guest of dom0-ways.sh; ways-images.sh compiles it.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <asm/xen/pci.h>

static struct xen_pci_frontend_ops *theirs, ours;

static bool msix_alone(struct pci_dev *dev)
{
	return dev->msix_cap && !dev->msi_cap;
}

static void disable_msi(struct pci_dev *dev)
{
	if (msix_alone(dev))
		theirs->disable_msix(dev);
	else
		theirs->disable_msi(dev);
}

static int __init msix_off_init(void)
{
	struct pci_dev *dev = NULL;

	if (!xen_pci_frontend)
		return -ENODEV;
	theirs = xen_pci_frontend;
	ours = *theirs;
	ours.disable_msi = disable_msi;
	xen_pci_frontend = &ours;
	while ((dev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, dev)))
		if (msix_alone(dev) && !dev->msix_enabled)
			theirs->disable_msix(dev);
	return 0;
}

static void __exit msix_off_exit(void)
{
	xen_pci_frontend = theirs;
}

module_init(msix_off_init);
module_exit(msix_off_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Says MSI-X where Linux 6.1's Xen PCI frontend says MSI");
