// SPDX-License-Identifier: EUPL-1.2 OR GPL-2.0-only
/*
 * An I2C bus with up to four MCP23017 expanders at 0x20 to 0x23, for the
 * laboratory. Registers as in Microchip's DS20001952, table 3-1 (IOCON.BANK=0).
 * i2c-stub will not do: it speaks SMBus only, and its registers drive nothing.
 *
 * The bench's side is /sys/module/expanders/parameters:
 *   present  bit n: chip n answers
 *   levels   what is on the pins of each chip from outside
 *   driven   what each chip drives: latch and direction, as 0xDDDDLLLL
 *   reset    write n: chip n loses its power for a moment
 *   failing  so many transfers end with an error
 *
 * Each change of what a chip drives is a line in the kernel's trace.
 */
#include <linux/i2c.h>
#include <linux/module.h>
#include <linux/mutex.h>

#define CHIPS 4
#define REGISTERS 0x16

enum { IODIR = 0x00, IPOL = 0x02, INTCAP = 0x10, GPIO = 0x12, OLAT = 0x14 };

static DEFINE_MUTEX(lock);
static u8 reg[CHIPS][REGISTERS];
static u8 cursor[CHIPS];

static uint present = 1;
module_param(present, uint, 0644);
static ushort levels[CHIPS];
module_param_array(levels, ushort, NULL, 0644);
static uint driven[CHIPS];
module_param_array(driven, uint, NULL, 0444);
static uint failing;
module_param(failing, uint, 0644);

static u16 pair(int chip, int first)
{
	return reg[chip][first] | reg[chip][first + 1] << 8;
}

static void settle(int chip)
{
	uint now = pair(chip, IODIR) << 16 | pair(chip, OLAT);

	if (now == driven[chip])
		return;
	driven[chip] = now;
	trace_printk("expander: %d iodir %04x olat %04x\n", chip, now >> 16, now & 0xffff);
}

static void power_on(int chip)
{
	memset(reg[chip], 0, REGISTERS);
	reg[chip][IODIR] = reg[chip][IODIR + 1] = 0xff;
	cursor[chip] = 0;
	settle(chip);
}

static int reset_set(const char *text, const struct kernel_param *kp)
{
	int chip;

	if (kstrtoint(text, 0, &chip) || chip < 0 || chip >= CHIPS)
		return -EINVAL;
	mutex_lock(&lock);
	power_on(chip);
	mutex_unlock(&lock);
	return 0;
}

static const struct kernel_param_ops reset_ops = { .set = reset_set };
module_param_cb(reset, &reset_ops, NULL, 0200);

static u8 get(int chip, u8 at)
{
	int port = at & 1;
	u8 in, pins;

	if (at >= REGISTERS)
		return 0xff;
	if (at != GPIO && at != GPIO + 1 && at != INTCAP && at != INTCAP + 1)
		return reg[chip][at];
	in = reg[chip][IODIR + port];
	pins = (levels[chip] >> (8 * port)) & in;
	return (pins ^ (reg[chip][IPOL + port] & in)) | (reg[chip][OLAT + port] & ~in);
}

static void put(int chip, u8 at, u8 value)
{
	if (at >= REGISTERS || at == INTCAP || at == INTCAP + 1)
		return;
	if (at == GPIO || at == GPIO + 1)
		at += OLAT - GPIO;
	reg[chip][at] = value;
	if (at == 0x0a || at == 0x0b) /* IOCON is one register */
		reg[chip][0x0a] = reg[chip][0x0b] = value;
	settle(chip);
}

static int one(struct i2c_msg *m)
{
	int chip = m->addr - 0x20, i;

	if (chip < 0 || chip >= CHIPS || !(present & 1 << chip))
		return -ENXIO;
	for (i = 0; i < m->len; i++) {
		if (m->flags & I2C_M_RD)
			m->buf[i] = get(chip, cursor[chip]);
		else if (i == 0) {
			cursor[chip] = m->buf[0];
			continue;
		} else
			put(chip, cursor[chip], m->buf[i]);
		cursor[chip] = (cursor[chip] + 1) % REGISTERS;
	}
	return 0;
}

static int transfer(struct i2c_adapter *bus, struct i2c_msg *m, int n)
{
	int i, err = 0;

	mutex_lock(&lock);
	if (failing) {
		failing--;
		err = -EIO;
	}
	for (i = 0; i < n && !err; i++)
		err = one(&m[i]);
	mutex_unlock(&lock);
	return err ? err : n;
}

static u32 abilities(struct i2c_adapter *bus)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm algorithm = {
	.master_xfer = transfer,
	.functionality = abilities,
};

static struct i2c_adapter bus = {
	.owner = THIS_MODULE,
	.algo = &algorithm,
	.name = "laboratory expanders",
};

static int __init begin(void)
{
	int chip;

	for (chip = 0; chip < CHIPS; chip++)
		power_on(chip);
	return i2c_add_adapter(&bus);
}

static void __exit end(void)
{
	i2c_del_adapter(&bus);
}

module_init(begin);
module_exit(end);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("MCP23017 expanders that are not there");
