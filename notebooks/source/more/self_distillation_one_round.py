# %% [markdown]
# # One round of self-distillation, exactly
#
# > **Claim you can check:** a student learns from a mixture of the labels and the predictions of ridge regression, its
# > teacher. If the penalty of the teacher changes, its coefficients move along a curve. If the mixture changes, the
# > coefficients of the student move along a straight line, a tangent of this curve. So the student's error on new inputs
# > can be computed before the student is fitted. If the penalty is too small, the best student is better than its
# > teacher. If the penalty is the best one, the student gains nothing.
#
# | | |
# |---|---|
# | **Objectives** | prove where the coefficients of the student lie, and predict its error · find the best mixture of labels and predictions · see what is gained if the mixture is chosen on validation data |
# | **Prerequisites** | [03 Self-distillation](../03_self_distillation.ipynb); ridge regression, derivatives |
# | **Time** | about 40 minutes to work through, under 20 seconds to run |
# | **Memory** | under 1 GB; no GPU, no download, no network |

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.intervals import seed_interval
from workbench.plots import describe, plot_differences
from workbench.plots.styles import COLOURS

wb.prepare_notebook()

# %% [markdown]
# ## The data and the model
#
# There are 442 patients with diabetes. Each has ten features. The value to predict is the progress of the disease a
# year later, in units of its standard deviation. We use 60 patients for training and 60 for validation. All others are
# test patients.
#
# The model is **ridge regression**: a linear model with coefficients $\beta$, one for each feature. The coefficients
# minimise the mean squared error on the training data plus $\lambda$ times the sum of the squared coefficients. The
# number $\lambda>0$ is the **penalty**. A larger penalty makes the coefficients smaller.
#
# Let $X$ be the matrix of the features ($n$ rows), $y$ the labels, and $S=X^\top X/n$. The solution is
# $$\beta(\lambda)=(S+\lambda I)^{-1}X^\top y/n.$$
# The curve of the coefficients $\beta(\lambda)$ over all penalties is called the **ridge path**.

# %%
patients, progress = load_diabetes(return_X_y=True)


def three_parts(seed, n=60):
    """Return features and progress of n training, n validation and all other patients."""
    order = np.random.default_rng(seed).permutation(len(patients))
    return [((patients[rows] - patients[order[:n]].mean(0)) / patients.std(0),
             (progress[rows] - progress[order[:n]].mean()) / progress.std())
            for rows in np.split(order, [n, 2 * n])]


def ridge_fit(x, y, penalty):
    return np.linalg.solve(x.T @ x / len(x) + penalty * np.eye(x.shape[1]), x.T @ y / len(x))


# %% [markdown]
# ## The student lies on a tangent of the ridge path
#
# The **teacher** is ridge regression on the labels. Its coefficients are $\beta=\beta(\lambda)$, and its predictions
# are $X\beta$. The **student** is fitted with the same penalty to a mixture of the labels and these predictions:
# $(1-\xi)\,y+\xi\,X\beta$. The number $\xi$ is called the **mixing**.
#
# **The claim.** The coefficients of the student are $\beta_\xi=\beta+\xi\lambda\,\beta'$. Here $\beta'$ is the
# derivative of $\beta(\lambda)$ with respect to $\lambda$. So all students lie on a straight line, the *tangent* of the
# ridge path at $\lambda$. At $\xi=0$ the student is the teacher.
#
# The figure shows two of the ten coefficients. The black curve is the ridge path, with a black dot for each of three
# teachers. Each straight line is the tangent at a teacher. The small dots are fitted students with ten mixings.

# %%
(fit_x, fit_y), _, (rest_x, rest_y) = three_parts(0)
LAMBDAS, MIXINGS = (0.003, 0.2, 1.0), np.linspace(-2, 2.5, 10)


def students_of(lam, mixings):
    """Return the coefficients of fitted students: a row for each mixing."""
    errors = fit_x @ ridge_fit(fit_x, fit_y, lam) - fit_y
    return ridge_fit(fit_x, (fit_y + np.outer(mixings, errors)).T, lam).T


def tangent_at(lam):
    """Return the coefficients of the teacher, and their derivative by the penalty."""
    teacher, S = ridge_fit(fit_x, fit_y, lam), fit_x.T @ fit_x / len(fit_x)
    return teacher, -np.linalg.solve(S + lam * np.eye(10), teacher)


# %%
path_ax = plt.subplots(figsize=(7.5, 4.2))[1]
ridge_path = [ridge_fit(fit_x, fit_y, lam)[[2, 8]] for lam in np.geomspace(1e-4, 300, 200)]
path_ax.plot(*np.transpose(ridge_path), color="black")
for ink, lam in zip(COLOURS, LAMBDAS, strict=False):
    teacher, slope = tangent_at(lam)
    tangent = (teacher + np.outer(MIXINGS * lam, slope))[:, [2, 8]]
    path_ax.plot(*tangent.T, "-", *students_of(lam, MIXINGS)[:, [2, 8]].T, "o", color=ink,
                 markersize=4)
    path_ax.plot(*teacher[[2, 8]], "o", color="black", markersize=7)
    path_ax.text(*tangent[4] - [0.01, -0.02], f"penalty {lam}", ha="right", color=ink)
path_ax.text(0, 0.11, "very large\npenalty")
path_ax.set(xlabel="coefficient of the body mass index", ylabel="coefficient of s5, a blood value")
wb.show(describe(path_ax, "The ridge path in two coefficients, and on each of three tangents to it "
                 "ten fitted students."))

# %%
verdict("each student lies on the tangent (difference below 1e-10).", all(
    np.allclose(students_of(lam, MIXINGS), teacher + np.outer(MIXINGS * lam, slope), 0, 1e-10)
    for lam in LAMBDAS for teacher, slope in [tangent_at(lam)]))

# %% [markdown]
# **Proof.**
#
# - *The fit to the predictions alone.* In the formula of the solution, replace $y$ by $X\beta$. Then $X^\top y/n$
#   becomes $X^\top X\beta/n=S\beta$. So the coefficients are $(S+\lambda I)^{-1}S\beta$.
# - *Write $S$ as $(S+\lambda I)-\lambda I$.* Then $(S+\lambda I)^{-1}S=I-\lambda(S+\lambda I)^{-1}$. So the
#   coefficients are $\beta-\lambda(S+\lambda I)^{-1}\beta$.
# - *The derivative.* We know that $(S+\lambda I)\,\beta(\lambda)=X^\top y/n$. The right side does not depend on
#   $\lambda$. So the derivative of the left side is 0: $\;\beta+(S+\lambda I)\beta'=0$. So
#   $\beta'=-(S+\lambda I)^{-1}\beta$. So the fit to the predictions alone has the coefficients $\beta+\lambda\beta'$.
# - *The mixture.* Fitting is linear in the labels. The fit to $y$ is $\beta$. The fit to $X\beta$ is
#   $\beta+\lambda\beta'$. So the fit to the mixture is $(1-\xi)\beta+\xi(\beta+\lambda\beta')=\beta+\xi\lambda\beta'$.
#
# ## How large is the risk of the student?
#
# The **risk** is the mean squared error on new inputs. Let $r=y-x^\top\beta$ be the error of the teacher on a new input
# $x$ with label $y$. Let $R$ be the risk of the teacher, $R'$ the derivative of $R$ with respect to $\lambda$, and $Q$
# the mean of $(x^\top\beta')^2$ over the new inputs. The student has the coefficients $\beta+\xi\lambda\beta'$. So its
# error is $r-\xi\lambda\,x^\top\beta'$. Square this error, and take the mean of each of the three terms:
#
# - The mean of $r^2$ is $R$.
# - The mean of $-2\,r\,x^\top\beta'$ is $R'$, the derivative of the mean of $r^2$. So the second term is
#   $\xi\lambda R'$.
# - The third term is $\xi^2\lambda^2Q$.
#
# So the risk of the student is a parabola in $\xi$:
# $$R(\xi)=R+\xi\,\lambda R'+\xi^2\lambda^2Q.$$
# The lowest point is at $\xi^*=-R'/(2\lambda Q)$. There the risk is lower than $R$ by $R'^2/(4Q)$. Three cases follow:
#
# - **The penalty is too small.** A larger penalty lowers the risk, so $R'<0$ and $\xi^*>0$. The targets of the best
#   student contain a share of the predictions. (If $\xi^*>1$, the labels have a negative weight.)
# - **The penalty is the best one.** Then $R'=0$, and nothing is gained.
# - **The penalty is too large.** Then $R'>0$ and $\xi^*<0$. The targets are $y+|\xi^*|\,(y-X\beta)$: the labels, plus a
#   multiple of the teacher's errors. Such a student fits the labels more closely than its teacher. It makes up for the
#   large penalty.
#
# We check this for three penalties. First we compute the risk by the formula. The formula needs only the teacher and
# the tangent. Then we fit the students and measure their risks. (Here $\xi^*$ is computed from the test patients, to check
# the formula. This would not be a fair comparison of methods.)

# %%
checked = {}
for lam in LAMBDAS:
    teacher, slope = tangent_at(lam)
    error, along = rest_y - rest_x @ teacher, rest_x @ slope
    R, change, Q = np.mean(error**2), -2 * np.mean(error * along), np.mean(along**2)
    xis = np.array([-change / (2 * lam * Q), 0, *MIXINGS])  # the first is the best
    predicted = R + xis * lam * change + (xis * lam)**2 * Q
    measured = np.mean((rest_y - students_of(lam, xis) @ rest_x.T)**2, axis=1)
    checked[lam] = xis, predicted, measured
verdict("each student has the predicted risk (difference below 1e-10).", all(
    np.allclose(predicted, measured, 0, 1e-10) for _, predicted, measured in checked.values()))
grid = np.geomspace(1e-3, 3, 200)
ridge_risks = [np.mean((rest_y - rest_x @ ridge_fit(fit_x, fit_y, lam))**2) for lam in grid]

# %% [markdown]
# In the figure, lines are predictions of the formula, and dots are fitted students. A star is the lowest point of a
# parabola. The dotted line is the lowest risk of ridge regression with any penalty. The curve of penalty 1.0 leaves the
# figure; it ends at 0.84.

# %%
risk_ax = plt.subplots(figsize=(7.5, 4.2))[1]
for ink, (lam, (xis, predicted, measured)) in zip(COLOURS, checked.items(), strict=False):
    order = xis.argsort()
    risk_ax.plot(xis[order], predicted[order], color=ink)
    risk_ax.plot(xis[1:], measured[1:], "o", color=ink, markersize=4)
    risk_ax.plot(xis[0], measured[0], "*", color=ink, markersize=14)
    risk_ax.text(*((0.7, 0.605) if lam == 1 else (2.6, predicted[-1])), f"penalty {lam}",
                 va="center", color=ink)
risk_ax.axhline(min(ridge_risks), color="black", linestyle=":")
risk_ax.set(xlabel="mixing $\\xi$ (0: the teacher)", ylabel="risk on the test patients",
            xlim=(-2.2, 3.5), ylim=(0.51, 0.62))
wb.show(describe(risk_ax, "Risk against mixing, lowest: " + "; ".join(
    f"{measured[0]:.4f} at xi {xis[0]:+.2f} for penalty {lam}"
    for lam, (xis, _, measured) in checked.items()) + f". Best ridge: {min(ridge_risks):.4f}."))

# %%
wb.show_numbers(pd.DataFrame({lam: {
    "risk of the teacher": measured[1], "best mixing": xis[0], "risk by the formula": predicted[0],
    "measured risk": measured[0]} for lam, (xis, predicted, measured) in checked.items()}).T
    .rename_axis("penalty"), "three teachers and their best students", "{:.4f}".format)
print(f"ridge on these test patients: the best penalty is {grid[np.argmin(ridge_risks)]:.2f}, "
      f"with risk {min(ridge_risks):.4f}")
verdict("with a mixing computed from the test patients, the students with penalties 0.2 and 1.0 "
        "have a lower risk than the best ridge.",
        max(checked[lam][2][0] for lam in (0.2, 1.0)) < min(ridge_risks))

# %% [markdown]
# The best penalty is 0.17. Penalty 0.003 is too small, and its best mixing is far above 0. Penalty 0.2 is nearly the
# best one. Its best mixing is near 0, and the gain is tiny. Penalty 1.0 is too large, and its best mixing is far below
# 0.
#
# {{exercise best_mixing}}

# %%
def best_mixing(y, teacher, student):
    ...


check("best_mixing", best_mixing)

# %% [markdown]
# {{solution best_mixing}}
#
# ## Does one round help if the mixing is chosen on validation data?
#
# In practice nobody knows the labels of the test patients. So we choose the mixing on the 60 validation patients. We
# repeat this for 300 random splits of the patients. There are three cases:
#
# - (a) The penalty is 0.01, which is too small. The gain is measured against the teacher at 0.01.
# - (b) First the penalty of ridge is tuned on the validation patients. Then the mixing is chosen for this penalty on
#   the same patients. The gain is measured against tuned ridge.
# - (c) The best mixing is found for each of 25 penalties. Then the best pair of penalty and mixing is chosen. The gain
#   is measured against tuned ridge.
#
# **Prediction:** a gain in case (a), and no gain in case (b). The formula makes no prediction for case (c).

# %%
def gains_of(seed):
    """Return how much lower the risk of the student is on test patients, in the three cases."""
    (x, y), (valid_x, valid_y), (test_x, test_y) = three_parts(seed)
    risks = []  # of the teacher and the student on validation, then of both on test patients
    for lam in (0.01, *np.geomspace(1e-3, 3, 25)):
        teacher = ridge_fit(x, y, lam)
        step = ridge_fit(x, x @ teacher, lam) - teacher
        xi = (valid_y - valid_x @ teacher) @ (valid_x @ step) / np.sum((valid_x @ step)**2)
        risks.append([np.mean((b - a @ made)**2) for a, b in ((valid_x, valid_y), (test_x, test_y))
                      for made in (teacher, teacher + xi * step)])
    valid, valid_student, test, test_student = np.transpose(risks)
    tuned, together = 1 + valid[1:].argmin(), 1 + valid_student[1:].argmin()
    return [test[k] - test_student[m] for k, m in ((0, 0), (tuned, tuned), (tuned, together))]


# %% tags=["nbval-ignore-output"]
gained = np.array([gains_of(seed) for seed in range(300)])
cases = {name: 100 * values for name, values in zip((
    "(a) penalty 0.01", "(b) tuned penalty", "(c) both chosen together"), gained.T, strict=True)}
gain_ax = plot_differences(cases, plt.subplots(figsize=(7.5, 2.8))[1],
                           "Gain of the student over its baseline",
                           "reduction of the risk (in hundredths)")
intervals = {name: "{:+.2f} ({:+.2f} to {:+.2f})".format(values.mean(), *seed_interval(values))
             for name, values in cases.items()}
wb.show(describe(gain_ax, "Gain in risk, in hundredths, with 95 % intervals over 300 splits: "
                 + "; ".join(f"{name} {text}" for name, text in intervals.items()) + "."))

# %% tags=["nbval-ignore-output"]
wb.show_numbers(pd.DataFrame({"gain in hundredths": intervals}), "gain in risk in three cases")
lowest, highest = seed_interval(gained)
verdict("in case (a) there is a gain.", lowest[0] > 0)
verdict("in cases (b) and (c) no gain is shown.", max(highest[1:]) < 0.005 and max(lowest[1:]) < 0)

# %% [markdown]
# In case (b) the student is even a little worse than tuned ridge. The best mixing is about 0 there. We estimate it from
# 60 patients, so the estimate is not exactly 0. This error raises the risk a little. **With the best penalty, one round
# gains nothing.**
#
# A student with another penalty can be better than the best ridge. At penalty 1.0 above, the risk of the student is
# 0.5162, and the best ridge has 0.5194. But that mixing was computed from the test patients. In practice the penalty
# and the mixing must be chosen from data, as in case (c), and there we see no gain.
#
# ## What would change your mind?
#
# If one student were not on the tangent, there would be a mistake in the proof or in the code. If the gain in case (b)
# or (c) were clearly above 0, self-distillation would give something in practice that a tuned penalty does not give.
#
# ## Try it yourself
#
# - In `LAMBDAS`, take other penalties. At which penalty is the best mixing nearest to 0?
# - In `three_parts`, take 30 patients in place of 60 (`n=30`). Which of the three gains changes most?
#
# ## Limits
#
# - The formula is about ridge regression with the squared error. It says nothing about networks.
# - All splits use the same 442 patients, so the splits are not independent. For other patients the uncertainty is
#   larger than these intervals show.
# - This is one round with one penalty. For further rounds with different mixings, see
#   [Many rounds](self_distillation_rounds.ipynb).
#
# **Back to:** [03 Self-distillation](../03_self_distillation.ipynb)
