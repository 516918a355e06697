/* SPDX-License-Identifier: MIT */
/*
 * Revocable grants: the guest ABI of the hypervisor series in xen-patches/.
 *
 * The same definitions are added to xen/include/public/grant_table.h by the
 * series; this copy is for kernel modules that are built against headers that
 * do not know them.  All calls are HYPERVISOR_grant_table_op(cmd, array, n).
 * A hypervisor without the series returns -ENOSYS.
 *
 * Include after the grant table header of the environment (grant_ref_t,
 * domid_t, GNTST_*).
 */
#ifndef XEN_REVOCABLE_H
#define XEN_REVOCABLE_H

#ifndef GNTTABOP_revocable_allow

#define GNTTABOP_revocable_allow      13
#define GNTTABOP_revocable_setup      14
#define GNTTABOP_revocable_op         15
#define GNTTABOP_revocable_faults     16

/*
 * GNTTABOP_revocable_allow: the granting domain lets <dom>, to which <ref>
 * grants access, revoke the granting domain's own access to the page <gfn>
 * for as long as <dom> keeps the grant mapped.
 *
 * The opt-in is per grant reference.  It is recorded while the grant is not
 * in use and compared with the grant when it is first mapped; if <gfn> or
 * <dom> differ the opt-in is void.  It ends when the last mapping goes, with
 * a change of the grant table version, and with <flags> == 0.
 *
 * status: GNTST_bad_gntref       no such reference, or a reserved one
 *         GNTST_eagain           <ref> is in use (opt-in), armed (withdrawal)
 *         GNTST_bad_domain       no such <dom>, or the caller itself
 *         GNTST_unsupported      this domain cannot use revocable grants
 *         GNTST_over_quota       opt-ins for too many different domains
 *         GNTST_no_space         out of memory or event channels
 *         GNTST_general_error    unknown flag or non-zero padding
 */
struct gnttab_revocable_allow {
    /* IN parameters. */
    uint64_t gfn;
    grant_ref_t ref;
    domid_t dom;
    uint16_t flags;               /* GNTREV_ALLOW_*, 0 withdraws */
    /* OUT parameters. */
    int16_t status;               /* => enum grant_status */
    uint16_t pad[3];              /* must be 0 */
};
typedef struct gnttab_revocable_allow gnttab_revocable_allow_t;

/* Writes may be revoked. */
#define GNTREV_ALLOW_writes       (1U << 0)
/* All access may be revoked; implies GNTREV_ALLOW_writes. */
#define GNTREV_ALLOW_all          (1U << 1)
/* The page may be backed by a frame of <dom>'s choice (REPLACE_*). */
#define GNTREV_ALLOW_replace      (1U << 2)
/*
 * If the contents are lost (see below) crash the granting domain.  Without
 * it the page comes back zeroed and a GNTREV_ACCESS_lost record is queued
 * for the granting domain.
 */
#define GNTREV_ALLOW_lost_crash   (1U << 3)

/*
 * GNTTABOP_revocable_setup: open or close the caller's channel for faults
 * of <dom>.  One channel per pair of domains; it can be opened once <dom> has
 * opted in any grant to the caller.  Opening an open channel is no error: it
 * returns the same port, and queues every unanswered want again.  <port> is
 * an event channel of <dom>, to be bound by EVTCHNOP_bind_interdomain; call
 * GNTTABOP_revocable_faults once after binding.  Closing gives every page
 * back that the caller has armed, as the last unmap of the grant would; with
 * many pages it stops early with GNTST_eagain and is to be called again.
 *
 * With <dom> == DOMID_SELF the channel carries the records of lost pages of
 * the caller, and <port> is to be bound as one of DOMID_SELF.
 *
 * Takes an array of one.
 *
 * status: GNTST_bad_domain, GNTST_permission_denied, GNTST_eagain,
 *         GNTST_not_allowed      <dom> has not opted in a grant yet
 *         GNTST_general_error    unknown flag or non-zero padding
 */
struct gnttab_revocable_setup {
    /* IN parameters. */
    domid_t dom;
    uint16_t flags;               /* GNTREV_SETUP_* */
    /* OUT parameters. */
    uint32_t nr_pages;            /* pages of <dom> armed by the caller */
    uint32_t port;
    int16_t status;               /* => enum grant_status */
    uint16_t pad;                 /* must be 0 */
};
typedef struct gnttab_revocable_setup gnttab_revocable_setup_t;

#define GNTREV_SETUP_close        0
#define GNTREV_SETUP_open         1

/*
 * GNTTABOP_revocable_op: act on pages that <dom> grants to the caller by
 * <ref> and that the caller has mapped.  REPLACE_* needs a writable mapping,
 * all else accepts a read-only one.
 *
 * ARM       prepares the page; everything that can fail fails here.  From
 *           then on REVOKE cannot fail and allocates nothing.
 * DISARM    the opposite; the page must be HOME or GONE.
 * REVOKE    takes the access of the granting domain away, or only its write
 *           access with GNTREV_OP_writes.  On return no CPU of <dom> can use
 *           the old translation.  Idempotent; widens WREVOKED to REVOKED and
 *           narrows it back.
 * RESTORE   gives the home frame back and wakes everybody who waits for it.
 *           With GNTREV_OP_lost the contents are given up: what the granting
 *           domain chose by GNTREV_ALLOW_lost_crash happens.  That is refused
 *           with GNTST_permission_denied for a page which was revoked through
 *           read-only mappings: nobody could have changed it.
 *           With GNTREV_OP_disarm the page is disarmed as well.
 * REPLACE_RAM, REPLACE_MMIO
 *           back a revoked page by <frame>: a gfn of the caller, or a machine
 *           frame to which the caller has I/O memory access.
 * QUERY     only reports.
 *
 * What operations other than QUERY say about <extra_refs> is only right if the
 * caller does not map, unmap or copy through <ref> meanwhile.
 *
 * A page that is revoked (with GNTREV_OP_writes: for writing) or replaced
 * cannot be mapped or copied by anybody through any grant: such calls fail
 * with GNTST_bad_page and raise a want.  Nor does Xen use what replaces a page:
 * a want for such a page is only answered by REVOKE and RESTORE.
 *
 * Contents are lost when the last mapping goes, or the channel is closed,
 * while a page is revoked for all access and was mapped writable.
 *
 * status: GNTST_bad_domain, GNTST_bad_gntref (not mapped by the caller),
 *         GNTST_permission_denied, GNTST_bad_page (special page, or not
 *         ordinary memory), GNTST_not_allowed, GNTST_alias, GNTST_bad_state
 *         (also: not armed, or no open channel), GNTST_unsupported,
 *         GNTST_over_quota, GNTST_no_space, GNTST_general_error (unknown <cmd>
 *         or flag, or unused <frame> not 0).
 */
struct gnttab_revocable_op {
    /* IN parameters. */
    domid_t dom;
    uint8_t cmd;                  /* GNTREV_CMD_* */
    uint8_t flags;                /* GNTREV_OP_* */
    grant_ref_t ref;
    /*
     * IN for REPLACE_*: the frame, else 0.  OUT with GNTST_alias: the grant
     * reference through which the page is armed.  OUT with GNTST_unsupported:
     * GNTREV_WHY_*.
     */
    uint64_t frame;
    /* OUT parameters. */
    int16_t status;               /* => enum grant_status */
    uint8_t state;                /* GNTREV_STATE_* after the operation */
    uint8_t waiters;              /* unanswered wants; saturates */
    uint32_t extra_refs;          /* references not held by <ref>'s mappings */
};
typedef struct gnttab_revocable_op gnttab_revocable_op_t;

#define GNTREV_CMD_arm            0
#define GNTREV_CMD_disarm         1
#define GNTREV_CMD_revoke         2
#define GNTREV_CMD_restore        3
#define GNTREV_CMD_replace_ram    4
#define GNTREV_CMD_replace_mmio   5
#define GNTREV_CMD_query          6

#define GNTREV_OP_writes          (1U << 0)   /* REVOKE */
#define GNTREV_OP_lost            (1U << 1)   /* RESTORE */
#define GNTREV_OP_disarm          (1U << 2)   /* RESTORE */

#define GNTREV_STATE_none         0   /* not armed */
#define GNTREV_STATE_home         1   /* armed, the guest has full access */
#define GNTREV_STATE_wrevoked     2   /* the guest can read */
#define GNTREV_STATE_revoked      3   /* the guest has no access */
#define GNTREV_STATE_ram          4   /* backed by a page of the caller */
#define GNTREV_STATE_mmio         5   /* backed by a device's memory */
#define GNTREV_STATE_gone         6   /* the guest gave the page up */

#define GNTREV_WHY_pv             1   /* not an HVM or PVH guest with HAP */
#define GNTREV_WHY_iommu          2
#define GNTREV_WHY_pod            3
#define GNTREV_WHY_altp2m         4
#define GNTREV_WHY_nested         5
#define GNTREV_WHY_sharing        6   /* memory sharing or fork */
#define GNTREV_WHY_partial        7   /* sub-page or transitive grant */

/*
 * GNTTABOP_revocable_faults: fetch wants of <dom>.  Each element is filled in
 * turn; the first for which there is nothing has GNTST_eagain, and those after
 * it are not written.  A want stays unanswered (see waiters) until the page is
 * accessible again; it is queued again if it changes.
 */
struct gnttab_revocable_fault {
    /* IN parameters. */
    domid_t dom;
    /* OUT parameters. */
    uint16_t access;              /* GNTREV_ACCESS_* */
    grant_ref_t ref;
    uint64_t gfn;
    int16_t status;               /* => enum grant_status */
    uint16_t waiters;             /* virtual CPUs asleep on the page */
    uint32_t pad;                 /* must be 0 */
};
typedef struct gnttab_revocable_fault gnttab_revocable_fault_t;

#define GNTREV_ACCESS_read        (1U << 0)
#define GNTREV_ACCESS_write       (1U << 1)
#define GNTREV_ACCESS_exec        (1U << 2)
/* A grant map or copy, or the hypervisor for the guest: nobody sleeps. */
#define GNTREV_ACCESS_foreign     (1U << 3)
/* Only with DOMID_SELF: the contents were lost. */
#define GNTREV_ACCESS_lost        (1U << 4)

#define GNTST_not_allowed     (-14) /* No opt-in by the granting domain.     */
#define GNTST_alias           (-15) /* Armed through another reference.      */
#define GNTST_bad_state       (-16) /* Not possible in the page's state.     */
#define GNTST_unsupported     (-17) /* Domain cannot have revocable grants.  */
#define GNTST_over_quota      (-18) /* Limit of revocable pages reached.     */

#endif /* GNTTABOP_revocable_allow */

#endif /* XEN_REVOCABLE_H */
