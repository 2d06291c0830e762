"""Texts as people ask about them in forums, with their run and the findings expected.

Entries as those of `check_corpus`. They were written to find what the check misses or
says wrongly, and a dozen of them did.
"""
# ruff: noqa: E501, forums don't break lines

from check_corpus import Entry, entry

SMALL = {"samples": 6_400, "batch_size": 64, "epochs": 20}  # 100 updates an epoch
MNIST = {"samples": 60_000, "batch_size": 128, "epochs": 12}  # 469
CIFAR = {"samples": 50_000, "batch_size": 128, "epochs": 200}  # 391
TUNING = {"samples": 25_000, "batch_size": 16, "epochs": 3}  # 1,563
IMAGES = {"samples": 1_281_167, "batch_size": 256, "epochs": 90}  # 5,005
TINY = {"samples": 1_000, "batch_size": 32, "epochs": 50}  # 32

ENTRIES: list[Entry] = [
    entry(
        "lightning cosine by epoch with interval step",
        """
class Lit(pl.LightningModule):
    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
""",
        SMALL,
        "LR016",
    ),
    entry(
        "lightning one-cycle default interval epoch",
        """
def configure_optimizers(self):
    optimizer = torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=2000)
    return [optimizer], [scheduler]
""",
        SMALL,
        "LR027",
    ),
    entry(
        "lightning dict good",
        """
def configure_optimizers(self):
    optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
""",
        SMALL,
    ),
    entry(
        "lightning list good",
        """
def configure_optimizers(self):
    opt = torch.optim.SGD(self.parameters(), lr=0.1)
    sch = torch.optim.lr_scheduler.MultiStepLR(opt, milestones=[100, 150], gamma=0.1)
    return [opt], [sch]
""",
        CIFAR,
    ),
    entry(
        "lightning milestones by step",
        """
def configure_optimizers(self):
    opt = torch.optim.SGD(self.parameters(), lr=0.1)
    sch = torch.optim.lr_scheduler.MultiStepLR(opt, milestones=[100, 150], gamma=0.1)
    return {"optimizer": opt, "lr_scheduler": {"scheduler": sch, "interval": "step", "frequency": 1}}
""",
        CIFAR,
        "LR001",
    ),
    entry(
        "one-cycle epochs called once an epoch",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=len(train_loader), epochs=20)
for epoch in range(20):
    train_one_epoch(model, train_loader, optimizer)
    validate(model)
    scheduler.step()
""",
        SMALL | {"values": {"len(train_loader)": 100}},
        "LR027",
    ),
    entry(
        "one-cycle right",
        """
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=len(train_loader), epochs=20)
for epoch in range(20):
    for batch in train_loader:
        loss = model(batch)
        loss.backward()
        optimizer.step()
        scheduler.step()
""",
        SMALL | {"values": {"len(train_loader)": 100}},
    ),
    entry(
        "one-cycle total_steps in epochs",
        """
NUM_EPOCHS = 20
scheduler = OneCycleLR(optimizer, max_lr=3e-3, total_steps=NUM_EPOCHS)
for epoch in range(NUM_EPOCHS):
    for xb, yb in train_dl:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR016",
    ),
    entry(
        "keras cosine epochs",
        """
EPOCHS = 12
BATCH_SIZE = 128
lr_schedule = tf.keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=1e-3,
    decay_steps=EPOCHS,
    alpha=0.0,
)
model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=lr_schedule), loss='sparse_categorical_crossentropy', metrics=['accuracy'])
model.fit(x_train, y_train, epochs=EPOCHS, batch_size=BATCH_SIZE)
""",
        MNIST,
        "LR016",
    ),
    entry(
        "keras cosine 1000",
        """
lr_schedule = tf.keras.optimizers.schedules.CosineDecay(initial_learning_rate=0.01, decay_steps=1000)
optimizer = tf.keras.optimizers.SGD(learning_rate=lr_schedule)
""",
        CIFAR,
        "LR001",
    ),
    entry(
        "keras exp docs",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(
    initial_learning_rate=1e-2,
    decay_steps=10000,
    decay_rate=0.9)
optimizer = keras.optimizers.SGD(learning_rate=lr_schedule)
""",
        MNIST | {"epochs": 5},
        "LR003",
    ),
    entry(
        "keras exp staircase never",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, decay_steps=10000, decay_rate=0.9, staircase=True)
""",
        MNIST,
        "LR002",
    ),
    entry(
        "keras exp good",
        """
steps_per_epoch = 60000 // 128
lr_schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, decay_steps=steps_per_epoch, decay_rate=0.9, staircase=True)
""",
        MNIST,
    ),
    entry(
        "keras exp every epoch but epochs=1 step",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, decay_steps=1, decay_rate=0.96)
""",
        MNIST,
        "LR001",
    ),
    entry(
        "forgot ceil good floor",
        """
n = 50000 // 128 * 200
lr_schedule = keras.optimizers.schedules.CosineDecay(0.1, n)
""",
        CIFAR,
    ),
    entry(
        "keras warm-up cosine overlong",
        """
total = 469 * 12
warm = int(0.1 * total)
lr_schedule = keras.optimizers.schedules.CosineDecay(0.0, decay_steps=total - warm, alpha=0.0, warmup_target=1e-3, warmup_steps=warm)
""",
        MNIST,
    ),
    entry(
        "keras warm-up + full total slightly over",
        """
total = 469 * 12
warm = int(0.05 * total)
lr_schedule = keras.optimizers.schedules.CosineDecay(0.0, decay_steps=total, warmup_target=1e-3, warmup_steps=warm)
""",
        MNIST,
    ),
    entry(
        "keras warm-up missing target",
        """
lr_schedule = keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=1e-3,
    decay_steps=5000,
    warmup_steps=500,
)
""",
        MNIST,
        "LR020",
    ),
    entry(
        "piecewise epochs keras",
        """
boundaries = [100, 150]
values = [0.1, 0.01, 0.001]
learning_rate_fn = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
""",
        CIFAR,
        "LR001",
    ),
    entry(
        "piecewise good",
        """
steps_per_epoch = 391
boundaries = [100 * steps_per_epoch, 150 * steps_per_epoch]
values = [0.1, 0.01, 0.001]
learning_rate_fn = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
""",
        CIFAR,
    ),
    entry(
        "piecewise docs beyond",
        """
step = tf.Variable(0, trainable=False)
boundaries = [100000, 110000]
values = [1.0, 0.5, 0.1]
learning_rate_fn = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
""",
        CIFAR,
        "LR002",
    ),
    entry(
        "HF linear with steps epoch",
        """
optimizer = AdamW(model.parameters(), lr=2e-5)
total_steps = len(train_dataloader) * 3
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=0, num_training_steps=total_steps)
""",
        TUNING | {"values": {"len(train_dataloader)": 1563}},
    ),
    entry(
        "HF warm-up 10000 of short run",
        """
optimizer = AdamW(model.parameters(), lr=2e-5)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=10000, num_training_steps=100000)
""",
        TUNING,
        "LR005",
    ),
    entry(
        "HF num_training_steps one epoch",
        """
optimizer = AdamW(model.parameters(), lr=2e-5)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=100, num_training_steps=1563)
""",
        TUNING,
        "LR007",
        "LR026",
    ),
    entry(
        "HF stepped by epoch",
        """
optimizer = AdamW(model.parameters(), lr=2e-5)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=0, num_training_steps=4689)
for epoch in range(3):
    for batch in train_dataloader:
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    scheduler.step()
""",
        TUNING,
        "LR027",
    ),
    entry(
        "HF length samples",
        """
num_epochs = 3
num_train_examples = 25000
optimizer = AdamW(model.parameters(), lr=2e-5)
scheduler = get_cosine_schedule_with_warmup(optimizer, 0, num_train_examples * num_epochs)
""",
        TUNING,
        "LR017",
    ),
    entry(
        "HF get_scheduler cosine",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
lr_scheduler = get_scheduler(
    name="cosine", optimizer=optimizer, num_warmup_steps=200, num_training_steps=3 * 1563
)
""",
        TUNING,
    ),
    entry(
        "polynomial rises",
        """
optimizer = keras.optimizers.Adam(
    keras.optimizers.schedules.PolynomialDecay(initial_learning_rate=3e-5, decay_steps=4689)
)
""",
        TUNING,
        "LR012",
    ),
    entry(
        "polynomial good",
        """
schedule = PolynomialDecay(initial_learning_rate=3e-5, end_learning_rate=0.0, decay_steps=4689)
opt = Adam(learning_rate=schedule)
""",
        TUNING,
    ),
    entry(
        "step lr per batch",
        """
optimizer = optim.Adam(net.parameters(), lr=0.001)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
for epoch in range(20):
    for inputs, labels in trainloader:
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR001",
    ),
    entry(
        "exponentialLR per batch",
        """
optimizer = torch.optim.SGD(m.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
for i in range(20):
    for batch in dl:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR001",
    ),
    entry(
        "T_max batches by epoch",
        """
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=78200)
for epoch in range(start_epoch, start_epoch+200):
    train(epoch)
    test(epoch)
    scheduler.step()
""",
        CIFAR,
        "LR027",
    ),
    entry(
        "kuangliu good",
        """
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
for epoch in range(start_epoch, start_epoch+200):
    train(epoch)
    test(epoch)
    scheduler.step()
""",
        CIFAR,
    ),
    entry(
        "cosine T_max 10 of 20 epochs",
        """
opt = torch.optim.Adam(model.parameters(), 1e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=14, eta_min=1e-6)
for epoch in range(20):
    train()
    sched.step()
""",
        SMALL,
        "LR011",
    ),
    entry(
        "sequential good",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
warmup = LinearLR(optimizer, start_factor=0.1, total_iters=5)
main = CosineAnnealingLR(optimizer, T_max=15)
scheduler = SequentialLR(optimizer, schedulers=[warmup, main], milestones=[5])
for epoch in range(20):
    train()
    scheduler.step()
""",
        SMALL,
    ),
    entry(
        "sequential per batch",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
warmup = LinearLR(optimizer, start_factor=0.1, total_iters=5)
main = CosineAnnealingLR(optimizer, T_max=15)
scheduler = SequentialLR(optimizer, schedulers=[warmup, main], milestones=[5])
for epoch in range(20):
    for x in loader:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR016",
    ),
    entry(
        "optax epochs",
        """
num_epochs = 20
schedule = optax.cosine_decay_schedule(init_value=1e-3, decay_steps=num_epochs)
tx = optax.adam(schedule)
""",
        SMALL,
        "LR016",
    ),
    entry(
        "optax warmup decay_steps includes",
        """
schedule = optax.warmup_cosine_decay_schedule(init_value=0.0, peak_value=1e-3, warmup_steps=100, decay_steps=2000, end_value=1e-5)
tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(learning_rate=schedule))
""",
        SMALL,
    ),
    entry(
        "optax exponential transition in epochs",
        """
schedule = optax.exponential_decay(init_value=1e-2, transition_steps=20, decay_rate=0.5)
""",
        SMALL,
        "LR016",
    ),
    entry(
        "optax piecewise good",
        """
schedule = optax.piecewise_constant_schedule(0.1, {1000: 0.1, 1500: 0.1})
""",
        SMALL,
    ),
    entry(
        "optax piecewise epochs",
        """
schedule = optax.piecewise_constant_schedule(0.1, {10: 0.1, 15: 0.1})
""",
        SMALL,
        "LR001",
    ),
    entry(
        "LearningRateScheduler good",
        """
def lr_schedule(epoch):
    lr = 1e-3
    if epoch > 180:
        lr *= 0.5e-3
    elif epoch > 160:
        lr *= 1e-3
    elif epoch > 120:
        lr *= 1e-2
    elif epoch > 80:
        lr *= 1e-1
    return lr
callback = keras.callbacks.LearningRateScheduler(lr_schedule)
""",
        CIFAR,
    ),
    entry(
        "step decay function never",
        """
def step_decay(epoch):
    initial_lrate = 0.1
    drop = 0.5
    epochs_drop = 30.0
    return initial_lrate * math.pow(drop, math.floor((1 + epoch) / epochs_drop))
lrate = LearningRateScheduler(step_decay)
""",
        SMALL,
        "LR002",
    ),
    entry(
        "step decay function good",
        """
def step_decay(epoch):
    initial_lrate = 0.1
    drop = 0.5
    epochs_drop = 10.0
    return initial_lrate * math.pow(drop, math.floor((1 + epoch) / epochs_drop))
lrate = LearningRateScheduler(step_decay)
""",
        SMALL | {"epochs": 50},
    ),
    entry(
        "compounding",
        """
def scheduler(epoch, lr):
    return lr * 1 / (1 + 0.05 * epoch)
cb = tf.keras.callbacks.LearningRateScheduler(scheduler)
""",
        SMALL | {"values": {"lr": 0.1}},
        "LR025",
    ),
    entry(
        "string optimizer",
        """
opt = keras.optimizers.Adam(learning_rate=1e-4)
model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
""",
        SMALL,
        "LR124",
    ),
    entry(
        "adam no fault",
        """
opt = keras.optimizers.Adam(learning_rate=1e-4)
model.compile(loss='categorical_crossentropy', optimizer=opt, metrics=['accuracy'])
""",
        SMALL,
    ),
    entry(
        "sgd decay",
        """
epochs = 20
learning_rate = 0.1
decay_rate = learning_rate / epochs
sgd = SGD(lr=learning_rate, momentum=0.8, decay=decay_rate, nesterov=False)
""",
        SMALL,
    ),
    entry(
        "schedule and plateau in text",
        """
lr_schedule = keras.optimizers.schedules.CosineDecay(1e-3, 5628)
model.compile(optimizer=keras.optimizers.Adam(lr_schedule), loss='mse')
reduce_lr = keras.callbacks.ReduceLROnPlateau(monitor='val_loss', factor=0.2, patience=5, min_lr=1e-6)
model.fit(x, y, epochs=12, batch_size=128, callbacks=[reduce_lr], validation_split=0.1)
""",
        MNIST,
        "LR104",
    ),
    entry(
        "schedule and scheduler in text",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(1e-2, 469, 0.9)
model.compile(optimizer=keras.optimizers.SGD(learning_rate=lr_schedule), loss='mse')
cb = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.9)
model.fit(x, y, epochs=12, callbacks=[cb])
""",
        MNIST,
        "LR104",
    ),
    entry(
        "CosineDecayRestarts epochs",
        """
lr = keras.optimizers.schedules.CosineDecayRestarts(initial_learning_rate=0.01, first_decay_steps=12)
""",
        MNIST,
        "LR016",
    ),
    entry(
        "CosineDecayRestarts small",
        """
lr = keras.optimizers.schedules.CosineDecayRestarts(initial_learning_rate=0.01, first_decay_steps=469, t_mul=2.0, m_mul=0.9)
""",
        MNIST | {"epochs": 7},
    ),
    entry(
        "InverseTime good",
        """
lr_schedule = tf.keras.optimizers.schedules.InverseTimeDecay(0.001, decay_steps=469*12, decay_rate=1, staircase=False)
""",
        MNIST,
    ),
    entry(
        "timm epochs",
        """
optimizer = optim.AdamW(model.parameters(), lr=5e-4)
scheduler = CosineLRScheduler(optimizer, t_initial=200, lr_min=1e-6, warmup_t=5, warmup_lr_init=1e-6)
""",
        CIFAR,
    ),
    entry(
        "timm updates missing flag",
        """
optimizer = optim.AdamW(model.parameters(), lr=5e-4)
scheduler = CosineLRScheduler(optimizer, t_initial=78200, lr_min=1e-6, t_in_epochs=True)
""",
        CIFAR,
        "LR027",
    ),
    entry(
        "lambda warmup per epoch of steps",
        """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = LambdaLR(optimizer, lr_lambda=lambda step: min(1.0, (step + 1) / 1000))
for epoch in range(20):
    train()
    scheduler.step()
""",
        SMALL,
        "LR005",
    ),
    entry(
        "lambda warm-up per batch good",
        """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = LambdaLR(optimizer, lr_lambda=lambda step: min(1.0, (step + 1) / 100))
for epoch in range(20):
    for batch in loader:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
    ),
    entry(
        "lambda lr returns absolute",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = LambdaLR(optimizer, lambda epoch: 0.95 ** epoch)
for epoch in range(20):
    train(); scheduler.step()
""",
        SMALL,
    ),
    entry(
        "negative polynomial lambda",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = LambdaLR(optimizer, lambda it: 1 - it / 1000)
for epoch in range(20):
    for x, y in loader:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR008",
    ),
    entry(
        "int rate",
        """
lr = tf.keras.optimizers.schedules.ExponentialDecay(initial_learning_rate=1, decay_steps=1000, decay_rate=0.5)
""",
        SMALL,
        "LR019",
    ),
    entry(
        "zero start constant with warmup missing",
        """
schedule = optax.linear_schedule(init_value=0.0, end_value=1e-3, transition_steps=50_000)
""",
        SMALL,
        "LR005",
    ),
    entry(
        "linear onecycle optax",
        """
schedule = optax.linear_onecycle_schedule(transition_steps=2000, peak_value=0.1)
""",
        SMALL,
    ),
    entry(
        "cosine onecycle optax 1 epoch",
        """
schedule = optax.cosine_onecycle_schedule(transition_steps=100, peak_value=0.1)
""",
        SMALL,
        "LR001",
    ),
    entry(
        "cyclic never completes",
        """
scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=1e-4, max_lr=1e-2, step_size_up=2000)
for epoch in range(10):
    for batch in data_loader:
        train_batch(...)
        scheduler.step()
""",
        SMALL | {"epochs": 10},
        "LR005",
    ),
    entry(
        "cosine warm restarts epochs mid-cycle",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2)
for epoch in range(72):
    train(); scheduler.step()
""",
        SMALL | {"epochs": 72},
        "LR010",
    ),
    entry(
        "noam",
        """
def rate(step, model_size=512, factor=1.0, warmup=4000):
    if step == 0:
        step = 1
    return factor * (model_size ** (-0.5) * min(step ** (-0.5), step * warmup ** (-1.5)))
optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
lr_scheduler = LambdaLR(optimizer=optimizer, lr_lambda=lambda step: rate(step))
""",
        {"samples": 29000, "batch_size": 32, "epochs": 8},
    ),
    entry(
        "imagenet step good",
        """
optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=args.momentum, weight_decay=args.weight_decay)
scheduler = StepLR(optimizer, step_size=30, gamma=0.1)
for epoch in range(args.start_epoch, args.epochs):
    train(train_loader, model, criterion, optimizer, epoch, device, args)
    scheduler.step()
""",
        IMAGES
        | {
            "values": {
                "args.lr": 0.1,
                "args.momentum": 0.9,
                "args.weight_decay": 0.0001,
            }
        },
    ),
    entry(
        "imagenet poly good",
        """
max_iters = 450450
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = PolynomialLR(optimizer, total_iters=max_iters, power=2.0)
for epoch in range(90):
    for images, target in train_loader:
        optimizer.step()
        scheduler.step()
""",
        IMAGES,
    ),
    entry(
        "imagenet poly by epoch",
        """
max_iters = 450450
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = PolynomialLR(optimizer, total_iters=max_iters, power=2.0)
for epoch in range(90):
    train_one_epoch(model)
    scheduler.step()
""",
        IMAGES,
        "LR027",
    ),
    entry(
        "cosine restarts keras good",
        """
steps = 32
lr = keras.optimizers.schedules.CosineDecayRestarts(1e-3, first_decay_steps=10 * steps, t_mul=1.0, m_mul=1.0)
""",
        TINY,
    ),
    entry(
        "cosine restarts mid",
        """
lr = keras.optimizers.schedules.CosineDecayRestarts(1e-3, first_decay_steps=500, t_mul=1.0, m_mul=1.0)
""",
        TINY | {"epochs": 47},
        "LR010",
    ),
    entry(
        "warm-up long keras",
        """
lr = keras.optimizers.schedules.CosineDecay(0.0, decay_steps=1600, warmup_target=1e-3, warmup_steps=10000)
""",
        TINY,
        "LR005",
    ),
    entry(
        "warm-up most",
        """
lr = keras.optimizers.schedules.CosineDecay(0.0, decay_steps=200, warmup_target=1e-3, warmup_steps=1300)
""",
        TINY,
        "LR023",
    ),
    entry(
        "total steps computed with samples//1",
        """
BATCH = 32
total = 1000 * 50
schedule = keras.optimizers.schedules.PolynomialDecay(0.1, total, end_learning_rate=0.0, power=1.0)
""",
        TINY,
        "LR017",
    ),
    entry(
        "epoch milestones right multiply",
        """
n = 1000 // 32 + 1
schedule = keras.optimizers.schedules.PiecewiseConstantDecay([25 * n, 40 * n], [0.1, 0.01, 0.001])
""",
        TINY,
    ),
    entry(
        "values jumps up",
        """
schedule = keras.optimizers.schedules.PiecewiseConstantDecay([800], [0.001, 0.1])
""",
        TINY,
        "LR013",
    ),
    entry(
        "constant optimizer",
        """
tf.keras.optimizers.Adam(learning_rate=0.001, beta_1=0.9)
""",
        TINY,
    ),
    entry(
        "rmsprop",
        """
optimizer = keras.optimizers.RMSprop(learning_rate=1e-4)
""",
        TINY,
    ),
    entry(
        "hf constant warm-up good",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
lr_scheduler = get_scheduler("constant_with_warmup", optimizer=optimizer, num_warmup_steps=100, num_training_steps=1600)
""",
        TINY,
    ),
    entry(
        "hf cosine half",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
scheduler = get_cosine_schedule_with_warmup(optimizer, 50, 800)
""",
        TINY,
        "LR011",
    ),
    entry(
        "hf linear half",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
scheduler = get_linear_schedule_with_warmup(optimizer, 50, 800)
""",
        TINY,
        "LR007",
    ),
    entry(
        "hf restarts good",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
scheduler = get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, 0, 1600, num_cycles=4)
""",
        TINY,
    ),
    entry(
        "hf inverse sqrt",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
scheduler = get_inverse_sqrt_schedule(optimizer, num_warmup_steps=100)
""",
        TINY,
    ),
    entry(
        "hf polynomial",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
scheduler = get_polynomial_decay_schedule_with_warmup(optimizer, 100, 1600)
""",
        TINY,
    ),
    entry(
        "hf trainer args good",
        """
training_args = TrainingArguments(
    output_dir="out", learning_rate=2e-5, per_device_train_batch_size=32,
    num_train_epochs=50, weight_decay=0.01, warmup_steps=100, lr_scheduler_type="linear")
""",
        TINY,
    ),
    entry(
        "hf trainer args warm-up too long",
        """
training_args = TrainingArguments(
    output_dir="out", learning_rate=2e-5, per_device_train_batch_size=32,
    num_train_epochs=50, weight_decay=0.01, warmup_steps=5000, lr_scheduler_type="cosine")
""",
        TINY,
        "LR005",
    ),
    entry(
        "optax sgd piecewise join good",
        """
warmup_fn = optax.linear_schedule(init_value=0., end_value=0.1, transition_steps=5 * 32)
cosine_epochs = max(50 - 5, 1)
cosine_fn = optax.cosine_decay_schedule(init_value=0.1, decay_steps=cosine_epochs * 32)
schedule_fn = optax.join_schedules(schedules=[warmup_fn, cosine_fn], boundaries=[5 * 32])
""",
        TINY,
    ),
    entry(
        "optax join in epochs",
        """
warmup_fn = optax.linear_schedule(init_value=0., end_value=0.1, transition_steps=5)
cosine_fn = optax.cosine_decay_schedule(init_value=0.1, decay_steps=45)
schedule_fn = optax.join_schedules(schedules=[warmup_fn, cosine_fn], boundaries=[5])
""",
        TINY,
        "LR016",
    ),
    entry(
        "optax warm-up in one epoch good",
        """
warmup_fn = optax.linear_schedule(init_value=0., end_value=0.1, transition_steps=32)
cosine_fn = optax.cosine_decay_schedule(init_value=0.1, decay_steps=1568)
schedule_fn = optax.join_schedules(schedules=[warmup_fn, cosine_fn], boundaries=[32])
""",
        TINY,
    ),
    entry(
        "optax sgdr",
        """
kwargs = [dict(init_value=0.0, peak_value=0.1, warmup_steps=40, decay_steps=400, end_value=0.0) for _ in range(4)]
schedule = optax.sgdr_schedule(kwargs)
""",
        TINY,
    ),
    entry(
        "optax sgd decay never",
        """
schedule = optax.exponential_decay(init_value=0.1, transition_steps=100_000, decay_rate=0.96, staircase=True)
optimizer = optax.sgd(learning_rate=schedule, momentum=0.9)
""",
        TINY,
        "LR002",
    ),
    entry(
        "warm-up equals epochs count but correct",
        """
warmup_fn = optax.linear_schedule(init_value=0., end_value=0.1, transition_steps=50)
cosine_fn = optax.cosine_decay_schedule(init_value=0.1, decay_steps=1550)
schedule_fn = optax.join_schedules([warmup_fn, cosine_fn], [50])
""",
        TINY,
    ),
    entry(
        "linearLR warm-up + cosine chained keras style good",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler1 = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-3, total_iters=5)
scheduler2 = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=45)
lr_scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [scheduler1, scheduler2], milestones=[5])
for epoch in range(50):
    for x, y in dataloader:
        optimizer.zero_grad(); loss(x, y).backward(); optimizer.step()
    lr_scheduler.step()
""",
        TINY,
    ),
    entry(
        "cosine eta_min bigger",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
scheduler = CosineAnnealingLR(optimizer, T_max=50, eta_min=1e-3)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
        "LR012",
    ),
    entry(
        "stepLR never in run",
        """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = StepLR(optimizer, step_size=100, gamma=0.1)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
        "LR002",
    ),
    entry(
        "multistep partially past",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = MultiStepLR(optimizer, milestones=[30, 80, 120], gamma=0.1)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
        "LR014",
    ),
    entry(
        "exponential gamma too low",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = ExponentialLR(optimizer, gamma=0.1)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
        "LR001",
    ),
    entry(
        "exponential good per epoch",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = ExponentialLR(optimizer, gamma=0.95)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
    ),
    entry(
        "exponential 0.9 good",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = ExponentialLR(optimizer, gamma=0.9)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
    ),
    entry(
        "steplr strong but usual",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = StepLR(optimizer, step_size=10, gamma=0.1)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
    ),
    entry(
        "keras step decay each 10 epochs",
        """
def step_decay(epoch):
    initial_lrate = 0.1
    drop = 0.5
    epochs_drop = 10.0
    lrate = initial_lrate * math.pow(drop, math.floor((1+epoch)/epochs_drop))
    return lrate
lrate = LearningRateScheduler(step_decay)
model.fit(X, Y, epochs=50, callbacks=[lrate])
""",
        TINY,
    ),
    entry(
        "keras lambda scheduler",
        """
callback = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 * 10 ** (epoch / 20))
""",
        TINY,
    ),
    entry(
        "exp with k",
        """
def exp_decay(epoch):
    initial_lrate = 0.1
    k = 0.1
    lrate = initial_lrate * np.exp(-k * epoch)
    return lrate
lrate = LearningRateScheduler(exp_decay)
""",
        TINY,
    ),
    entry(
        "linear fn negative",
        """
def linear(epoch):
    return 0.1 * (1 - epoch / 30)
cb = LearningRateScheduler(linear)
""",
        TINY,
        "LR008",
    ),
    entry(
        "division by zero",
        """
def f(epoch):
    return 0.1 / math.sqrt(epoch)
cb = LearningRateScheduler(f)
""",
        TINY,
        "LR009",
    ),
    entry(
        "adam decay with tf",
        """
initial_learning_rate = 0.001
lr_schedule = tf.keras.optimizers.schedules.ExponentialDecay(
    initial_learning_rate,
    decay_steps=100000,
    decay_rate=0.96,
    staircase=True)
model.compile(optimizer=tf.keras.optimizers.RMSprop(learning_rate=lr_schedule), loss='categorical_crossentropy', metrics=['accuracy'])
""",
        TINY,
        "LR002",
    ),
    entry(
        "plateau ok text",
        """
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss='mse')
reduce_lr = keras.callbacks.ReduceLROnPlateau(monitor='val_loss', factor=0.2, patience=5, min_lr=1e-6)
""",
        TINY,
    ),
    entry(
        "two callbacks, schedule in list variable",
        """
schedule = tf.keras.optimizers.schedules.ExponentialDecay(1e-3, 320, 0.9)
opt = tf.keras.optimizers.Adam(learning_rate=schedule)
model.compile(opt, loss="mse")
callbacks = [
    tf.keras.callbacks.EarlyStopping(patience=10),
    tf.keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3),
]
history = model.fit(train_ds, validation_data=val_ds, epochs=50, callbacks=callbacks)
""",
        TINY,
        "LR104",
    ),
    entry(
        "learning rate 1 int in cosine",
        """
lr = keras.optimizers.schedules.CosineDecay(1, 1600)
""",
        TINY,
        "LR019",
    ),
    entry(
        "alpha as rate",
        """
lr = keras.optimizers.schedules.CosineDecay(0.1, 1600, alpha=1e-5)
""",
        TINY,
    ),
    entry(
        "T_0 in steps, called per epoch",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=1600)
for epoch in range(50):
    train()
    scheduler.step()
""",
        TINY,
        "LR027",
    ),
    entry(
        "torch onecycle epochs param per batch, pct",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=32, epochs=10, pct_start=0.3)
for epoch in range(50):
    for xb, yb in loader:
        optimizer.step()
        scheduler.step()
""",
        TINY,
        "LR001",
    ),
    entry(
        "accelerate",
        """
optimizer = AdamW(params=model.parameters(), lr=2e-5)
lr_scheduler = get_linear_schedule_with_warmup(
    optimizer=optimizer,
    num_warmup_steps=100,
    num_training_steps=(len(train_dataloader) * num_epochs) // gradient_accumulation_steps,
)
for epoch in range(num_epochs):
    model.train()
    for step, batch in enumerate(train_dataloader):
        loss = model(**batch).loss / gradient_accumulation_steps
        accelerator.backward(loss)
        if step % gradient_accumulation_steps == 0:
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
""",
        TINY
        | {
            "values": {
                "len(train_dataloader)": 32,
                "num_epochs": 50,
                "gradient_accumulation_steps": 1,
            }
        },
    ),
    entry(
        "the docstring's function as it was",
        """
def scheduler(epoch, lr):
    if epoch < 10:
        return lr
    return lr * tf.math.exp(-0.1)
callback = tf.keras.callbacks.LearningRateScheduler(scheduler)
""",
        SMALL | {"values": {"lr": 0.01}},
        "LR120",
    ),
    entry(
        "a tensor of the epoch alone",
        """
def decayed(epoch):
    return 0.1 * tf.math.exp(-0.1 * epoch)
callback = tf.keras.callbacks.LearningRateScheduler(decayed)
""",
        SMALL,
        "LR120",
    ),
    entry(
        "made a float",
        """
def decayed(epoch):
    return float(0.1 * tf.math.exp(-0.1 * epoch))
callback = tf.keras.callbacks.LearningRateScheduler(decayed)
""",
        SMALL,
    ),
    entry(
        "why does my accuracy stop improving after epoch 1",
        """
import tensorflow as tf
BATCH = 128
N_TRAIN = 60000
steps_per_epoch = N_TRAIN // BATCH
lr = tf.keras.optimizers.schedules.CosineDecay(1e-3, decay_steps=steps_per_epoch, alpha=0.01)
opt = tf.keras.optimizers.Adam(lr)
model.compile(opt, loss="sparse_categorical_crossentropy")
model.fit(x_train, y_train, epochs=12, batch_size=BATCH)
""",
        MNIST,
        "LR001",
    ),
    entry(
        "steps per epoch times epochs, right",
        """
BATCH = 128
EPOCHS = 12
steps = (60000 // BATCH + 1) * EPOCHS
lr = tf.keras.optimizers.schedules.PolynomialDecay(1e-3, steps, end_learning_rate=1e-5, power=2.0)
model.compile(tf.keras.optimizers.Adam(lr), loss="sparse_categorical_crossentropy")
""",
        MNIST,
    ),
    entry(
        "restarts counted in epochs",
        """
lr_schedule = tf.keras.optimizers.schedules.CosineDecayRestarts(
    initial_learning_rate=1e-2, first_decay_steps=10, t_mul=1.0, m_mul=1.0)
opt = tf.keras.optimizers.SGD(lr_schedule, momentum=0.9)
""",
        CIFAR,
    ),
    entry(
        "restarts that double and end in a cycle",
        """
first = 391 * 10
lr_schedule = tf.keras.optimizers.schedules.CosineDecayRestarts(1e-2, first, t_mul=2.0, m_mul=0.9)
""",
        CIFAR,
    ),
    entry(
        "inverse time decay from keras 2's decay",
        """
decay = 1e-6
lr_schedule = tf.keras.optimizers.schedules.InverseTimeDecay(0.01, decay_steps=1, decay_rate=decay)
""",
        SMALL,
        "LR003",
    ),
    entry(
        "decay_rate above one",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, decay_steps=100, decay_rate=1.05)
optimizer = keras.optimizers.Adam(lr_schedule)
""",
        SMALL,
    ),
    entry(
        "decay_rate taken for a subtracted amount",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, decay_steps=100, decay_rate=0.0001)
optimizer = keras.optimizers.Adam(lr_schedule)
""",
        SMALL,
        "LR001",
    ),
    entry(
        "warm-up by hand in LearningRateScheduler, good",
        """
def lr_fn(epoch):
    if epoch < 5:
        return 1e-4 + (1e-3 - 1e-4) * epoch / 5
    return 1e-3 * 0.95 ** (epoch - 5)
cb = tf.keras.callbacks.LearningRateScheduler(lr_fn, verbose=1)
model.fit(x, y, epochs=20, callbacks=[cb])
""",
        SMALL,
    ),
    entry(
        "the function counts batches but is called once an epoch",
        """
def schedule(epoch):
    return 0.1 * 0.5 ** (epoch // 1000)
cb = keras.callbacks.LearningRateScheduler(schedule)
""",
        SMALL,
        "LR002",
    ),
    entry(
        "a function whose rate goes up by mistake",
        """
def schedule(epoch):
    if epoch < 10:
        return 1e-4
    return 1e-2
cb = keras.callbacks.LearningRateScheduler(schedule)
""",
        SMALL,
        "LR013",
    ),
    entry(
        "LambdaLR linear that goes negative",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda epoch: 1 - epoch / 15)
for epoch in range(20):
    train(model)
    scheduler.step()
""",
        SMALL,
        "LR008",
    ),
    entry(
        "LambdaLR 0.95**epoch per batch",
        """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda e: 0.95 ** e)
for epoch in range(20):
    for x, y in loader:
        loss = f(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR001",
    ),
    entry(
        "linear warm-up for ever",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=5000)
for epoch in range(20):
    for batch in loader:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
        "LR005",
    ),
    entry(
        "LinearLR down to a hundredth, good",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.01, total_iters=20)
for epoch in range(20):
    for batch in loader:
        optimizer.step()
    scheduler.step()
""",
        SMALL,
    ),
    entry(
        "warm restarts stepped by epoch fraction",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2, eta_min=1e-5)
for epoch in range(70):
    train()
    scheduler.step()
""",
        SMALL | {"epochs": 70},
    ),
    entry(
        "cyclic in steps",
        """
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.001, max_lr=0.01, step_size_up=200, mode="triangular2")
for epoch in range(20):
    for batch in loader:
        optimizer.step()
        scheduler.step()
""",
        SMALL,
    ),
    entry(
        "HF cosine restarts good",
        """
optimizer = AdamW(model.parameters(), lr=5e-5)
scheduler = get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, num_warmup_steps=400, num_training_steps=4689, num_cycles=2)
""",
        TUNING,
    ),
    entry(
        "HF warm-up ratio forgotten times",
        """
num_training_steps = 4689
warmup_ratio = 0.1
optimizer = AdamW(model.parameters(), lr=5e-5)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=warmup_ratio, num_training_steps=num_training_steps)
""",
        TUNING,
    ),
    entry(
        "HF warm-up as most of it",
        """
optimizer = AdamW(model.parameters(), lr=5e-5)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=4000, num_training_steps=4689)
""",
        TUNING,
        "LR023",
    ),
    entry(
        "HF T5 constant",
        """
optimizer = Adafactor(model.parameters(), lr=1e-3, relative_step=False)
lr_scheduler = get_constant_schedule_with_warmup(optimizer, num_warmup_steps=100)
""",
        TUNING,
    ),
    entry(
        "optax with end past the run",
        """
total = 100 * 20
sched = optax.warmup_cosine_decay_schedule(0.0, 1e-3, warmup_steps=200, decay_steps=total * 10)
tx = optax.adamw(sched)
""",
        SMALL,
        "LR003",
    ),
    entry(
        "optax join with boundary in epochs, jump",
        """
warm = optax.linear_schedule(0.0, 1e-4, 500)
main = optax.cosine_decay_schedule(1e-2, 1500)
sched = optax.join_schedules([warm, main], [500])
""",
        SMALL,
        "LR013",
    ),
    entry(
        "optax linear good",
        """
num_steps = 2000
schedule = optax.linear_schedule(init_value=3e-4, end_value=0.0, transition_steps=num_steps)
optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(), optax.scale_by_schedule(schedule), optax.scale(-1.0))
""",
        SMALL,
    ),
    entry(
        "timm cosine with warm-up right",
        """
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
scheduler = CosineLRScheduler(optimizer, t_initial=200, lr_min=1e-6, warmup_t=5, warmup_lr_init=1e-6)
for epoch in range(200):
    train()
    scheduler.step(epoch + 1)
""",
        CIFAR,
    ),
    entry(
        "timm in updates while counting epochs",
        """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = CosineLRScheduler(optimizer, t_initial=200 * 391, lr_min=1e-6, warmup_t=5 * 391, warmup_lr_init=1e-6)
""",
        CIFAR,
        "LR005",
    ),
    entry(
        "schedule, optimizer by name",
        """
lr_schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 1000, 0.9)
sgd = keras.optimizers.SGD(learning_rate=lr_schedule)
model.compile(optimizer="sgd", loss="mse")
model.fit(x, y, epochs=20)
""",
        SMALL,
        "LR124",
        "LR003",
    ),
    entry(
        "piecewise with strings of epochs multiplied",
        """
spe = 6400 // 64
schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
    boundaries=[spe * 30, spe * 40], values=[1e-2, 1e-3, 1e-4])
""",
        SMALL,
        "LR002",
    ),
    entry(
        "piecewise one boundary late",
        """
spe = 100
schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
    boundaries=[spe * 10, spe * 40], values=[1e-2, 1e-3, 1e-4])
""",
        SMALL,
        "LR014",
    ),
    entry(
        "my own LearningRateSchedule",
        """
class WarmUp(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup):
        self.peak = peak
        self.warmup = warmup
    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        return self.peak * tf.minimum(step / self.warmup, tf.sqrt(self.warmup / (step + 1.0)))
lr = WarmUp(1e-3, 200)
opt = tf.keras.optimizers.Adam(lr)
""",
        SMALL,
    ),
    entry(
        "transformer tutorial, 4000 warm-up steps in a short run",
        """
class CustomSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
  def __init__(self, d_model, warmup_steps=4000):
    super().__init__()
    self.d_model = d_model
    self.d_model = tf.cast(self.d_model, tf.float32)
    self.warmup_steps = warmup_steps
  def __call__(self, step):
    step = tf.cast(step, dtype=tf.float32)
    arg1 = tf.math.rsqrt(step)
    arg2 = step * (self.warmup_steps ** -1.5)
    return tf.math.rsqrt(self.d_model) * tf.math.minimum(arg1, arg2)
learning_rate = CustomSchedule(128)
optimizer = tf.keras.optimizers.Adam(learning_rate, beta_1=0.9, beta_2=0.98, epsilon=1e-9)
""",
        SMALL,
        "LR005",
    ),
    entry(
        "plateau beside a schedule without validation data",
        """
lr_schedule = keras.optimizers.schedules.CosineDecay(1e-3, 2000)
opt = keras.optimizers.Adam(lr_schedule)
model.compile(optimizer=opt, loss="mse")
model.fit(x, y, epochs=20, callbacks=[keras.callbacks.ReduceLROnPlateau(patience=3)])
""",
        SMALL,
        "LR104",
    ),
    entry(
        "int division makes a decay of nothing",
        """
epochs = 20
schedule = keras.optimizers.schedules.PolynomialDecay(0.1, decay_steps=epochs * (6400 // 64), end_learning_rate=0.1)
""",
        SMALL,
    ),
    entry(
        "math in a lambda callback good",
        """
cb = keras.callbacks.LearningRateScheduler(lambda e: 0.5 * 0.1 * (1 + math.cos(math.pi * e / 20)))
""",
        SMALL,
    ),
    entry(
        "cosine in lambda, half the run",
        """
cb = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05 * (1 + math.cos(math.pi * epoch / 10)))
""",
        SMALL,
        "LR011",
    ),
]
