/**
 * Abstracts of invented papers, written for this application: three for each field of machine learning. Their mean
 * cosine with a label shows how close the label is to any paper, whatever its subject.
 */
export const reference: Readonly<Record<string, readonly string[]>> = {
  "reinforcement learning": [
    "Agents that explore by chance alone rarely find distant rewards. We give a bonus to states that a learned dynamics model predicts badly, and prove a bound on regret for tabular problems. On hard exploration games the policy reaches the goal in a third of the environment steps.",
    "Offline policies overestimate actions that the logged data never shows. This paper regularises the critic by the distance to the behaviour policy and tunes the penalty without online evaluation. Locomotion benchmarks show higher returns and less variance between seeds.",
    "We study credit assignment when a team of agents shares one reward. A factored value function is trained centrally and executed from local observations, and it solves cooperative tasks on which independent learners stall.",
  ],
  "object detection": [
    "Small objects vanish in deep feature maps. We fuse features across scales with a light pyramid and assign training targets by localisation quality. Mean average precision on aerial images rises by three points at the same frame rate.",
    "Detectors trained on daylight photographs fail at night. We align region proposals of both domains with an adversarial loss and self-training on confident boxes, without a single label from the target domain.",
    "End-to-end detectors with set prediction converge slowly. Our query initialisation from coarse heat maps and a denoising task cut training from fifty epochs to twelve while keeping the accuracy of the baseline.",
  ],
  "image generation": [
    "Sampling from denoising diffusion takes hundreds of network evaluations. We derive a higher-order solver for the probability flow equation and distil it to four steps with little loss in image fidelity.",
    "Text-to-image generators bind attributes to the wrong objects. Steering cross-attention maps during denoising separates the subjects of a prompt, needs no retraining, and is preferred by human raters.",
    "A generative adversarial network with a projected discriminator trains stably on few photographs. Augmentations that do not leak into samples raise the diversity of generated portraits and landscapes.",
  ],
  "machine translation": [
    "Low-resource language pairs have little parallel text. We combine back-translation with a multilingual encoder and select synthetic sentences by round-trip agreement, gaining four BLEU points for six African languages.",
    "Document-level translation should keep pronouns and terminology consistent. We extend the decoder's context to neighbouring sentences and evaluate on contrastive tests for discourse phenomena.",
    "Automatic metrics disagree with professional translators on strong systems. This study collects span-level error annotations for news and shows that ranking of systems changes with the annotation protocol.",
  ],
  "speech recognition": [
    "Streaming transcription must emit words before a sentence ends. A transducer with limited look-ahead and monotonic alignment lowers latency by half, while the word error rate on read and spontaneous speech stays the same.",
    "Self-supervised audio representations transfer poorly to children's voices. We adapt the encoder with unlabelled recordings and a phonetic target and reduce errors for speakers under ten years.",
    "Background noise and reverberation confuse acoustic models. Joint training of an enhancement front end with the recogniser learns masks that help transcription rather than perceived quality.",
  ],
  "graph neural networks": [
    "Deep message passing makes the embeddings of all nodes alike. We bound this oversmoothing by the spectral gap and add a residual term that keeps node features apart over thirty layers.",
    "Neighbour sampling for large graphs has high variance. Our importance sampler reuses historical activations and trains node classifiers on a graph of a hundred million edges with one machine.",
    "The expressive power of graph networks is limited by colour refinement. Counting small substructures distinguishes molecules that the plain test confuses and improves property prediction.",
  ],
  "recommender systems": [
    "Click logs are biased by the position at which items were shown. We estimate propensities from a small randomised slice of traffic and debias a collaborative filter; an online experiment confirms the gain.",
    "Sequences of purchases reveal changing tastes. A self-attentive model with time intervals predicts the next item for cold-start users better than matrix factorisation and recurrent baselines.",
    "Recommendation lists narrow what people see. We optimise relevance with calibrated diversity and measure the long-term effect on engagement with music listeners.",
  ],
  "federated learning": [
    "Clients with unlike data pull a shared model apart. We correct the drift of local updates with control variates and prove convergence under partial participation of devices.",
    "Communication is the bottleneck when phones train together. Sketching gradients before upload and momentum at the server reduce traffic by two orders of magnitude.",
    "Personalised models should borrow from similar clients alone. We cluster participants by the geometry of their updates without seeing their records.",
  ],
  "adversarial robustness": [
    "Imperceptible perturbations flip the prediction of image classifiers. We certify robustness radii by smoothing with noise and tighten the bound with a better estimate of class margins.",
    "Attacks that transfer between networks threaten deployed services. An ensemble of diverse surrogates with input transformations raises the success rate against black-box targets.",
    "Adversarial training hurts accuracy on clean inputs. Weighting examples by their distance to the decision boundary balances both errors at no extra cost.",
  ],
  "time series": [
    "Forecasts of electricity demand need intervals as well as means. We learn conditional quantiles with a patching transformer and calibrate coverage by conformal prediction.",
    "Irregularly sampled vital signs break recurrent models. A continuous-time latent process imputes missing measurements and detects anomalies hours before an alarm.",
    "Do deep models beat linear forecasters at long horizons? We repeat published comparisons with tuned baselines on nine public series and find gains on two of them.",
  ],
  "causal inference": [
    "Treatment effects vary between patients. We estimate conditional effects by doubly robust learners with cross-fitting and give valid confidence intervals under weak assumptions on nuisance models.",
    "Discovering causal graphs from observations alone is ambiguous. We choose interventions that resolve most edge directions and bound how many experiments are required.",
    "Hidden confounding invalidates observational studies. A sensitivity analysis with negative controls tells how strong an unmeasured variable must be to explain away an association.",
  ],
  "bayesian inference": [
    "Variational approximations underestimate posterior variance. Normalising flows with a learned base distribution match reference samples of Hamiltonian Monte Carlo at a tenth of the time.",
    "Gaussian processes scale cubically with observations. We select inducing points by a determinantal sampler and prove that the approximate posterior converges.",
    "Simulation-based inference often yields overconfident posteriors. We test coverage and regularise the neural estimator until credible regions contain parameters as often as they claim.",
  ],
  optimisation: [
    "Adaptive step sizes speed up stochastic gradient methods but may diverge. We analyse a variant with bounded second moments and show optimal rates for non-convex smooth functions.",
    "Training with large batches loses generalisation. Layer-wise normalised updates and a longer warm-up recover test accuracy on image classification with batches of sixty thousand.",
    "Second-order preconditioners are expensive for neural networks. A Kronecker-factored approximation refreshed every hundred iterations reaches the target loss in fewer epochs.",
  ],
  "information retrieval": [
    "Dense passage search misses rare names that term matching finds. We train a bi-encoder with hard negatives and combine it with sparse scores; recall of relevant documents rises on web search queries.",
    "Queries are short and documents long. Expanding documents with predicted questions before indexing improves ranking without any cost at query time.",
    "Relevance judgements are incomplete. Pooling by several rankers and assessing disagreements first yields test collections on which new search engines are compared fairly.",
  ],
  "question answering": [
    "Questions that need several facts defeat single-pass readers. We decompose a question into simpler ones, answer each from an encyclopedia, and combine the evidence into an explanation.",
    "Readers should abstain when a paragraph has no answer. A verifier trained on unanswerable questions lowers the rate of invented answers at equal exact match.",
    "Reasoning over tables and text needs arithmetic. Programs that are generated from the question and executed against the cells outperform direct prediction of numbers.",
  ],
  "dialogue systems": [
    "Task-oriented assistants must track what a user wants over many turns. We copy slot values from the conversation and reach a new best joint goal accuracy in restaurant and hotel booking.",
    "Chatbots contradict themselves about their persona. We collect conversations with consistency labels and rerank candidate replies by an entailment classifier.",
    "Empathetic replies depend on the speaker's emotion. Conditioning the response on inferred feelings and situation raises ratings of warmth in human evaluation.",
  ],
  summarisation: [
    "Generated summaries state facts that their source lacks. We detect unsupported claims by question generation and fine-tune the summariser to avoid them, keeping ROUGE constant.",
    "Meetings are long and speakers interrupt each other. A hierarchical encoder with speaker turns produces minutes that participants judge to be more complete.",
    "Extractive methods choose sentences greedily. We select a set by coverage and redundancy as integer programming and compare with neural abstractive systems on news.",
  ],
  "code generation": [
    "Programs written by language models compile but fail hidden tests. Sampling many candidates and clustering them by their behaviour on generated inputs raises the share of solved problems.",
    "Repositories have dependencies that a single file does not show. We give the completion model signatures from imported modules and improve exact match of API calls.",
    "Repairing bugs from a failing test is a search problem. Our agent localises the faulty function, proposes patches and validates them, fixing a fifth of real issues.",
  ],
  "language model pretraining": [
    "The quality of web text matters more than its amount. We filter a crawl with a classifier and remove near duplicates; a model of one billion parameters trained on the rest beats baselines with twice the tokens.",
    "How should data from many domains be mixed? Proxy models predict the loss of mixtures, and the best proportions transfer to a model thirty times larger.",
    "Loss curves of growing networks follow power laws in compute. We fit exponents for encoder and decoder architectures and predict the benefit of longer training before spending it.",
  ],
  "efficient inference": [
    "Serving large transformers is limited by memory bandwidth. We batch requests at the level of iterations and page their caches, tripling throughput on the same accelerators.",
    "Not each input needs a deep network. Intermediate classifiers stop computation when they are confident, and average latency falls by forty per cent with equal accuracy.",
    "A cascade asks a cheap model first and an expensive one in doubt. Learned deferral rules trace a better curve of cost against quality than fixed confidence thresholds.",
  ],
  "model compression": [
    "Weights of four bits cause outliers to dominate the rounding error. Rotating activations before quantisation spreads outliers and keeps perplexity within two per cent of full precision.",
    "Removing whole attention heads and channels gives real speed, unlike unstructured sparsity. We score structures by their effect on a calibration set and recover quality with brief distillation.",
    "Students imitate a teacher's logits but not its intermediate features. Matching relations between examples transfers knowledge to networks with a different architecture.",
  ],
  "sparse experts": [
    "Routing tokens to experts leaves some of them idle. A balanced assignment without auxiliary losses uses all experts evenly and trains faster than dense layers of equal cost.",
    "Sparse layers hold more parameters than they compute with. We compare granularity and number of experts under a fixed budget and find that many small experts are preferable.",
    "Expert networks exceed the memory of one device. Offloading rarely used experts and prefetching by predicted routes enables generation on a laptop.",
  ],
  "multimodal models": [
    "Connecting an image encoder to a language model lets it describe pictures and answer questions about them. We study the projector, the resolution and the instruction data, and release a strong open assistant.",
    "Contrastive training of captions and photographs ignores word order. Hard negative captions with swapped relations teach compositional understanding without harming zero-shot classification.",
    "Long videos produce too many visual tokens. We merge redundant frames before the language decoder and answer questions about hours of footage.",
  ],
  robotics: [
    "Manipulating unknown objects needs touch as well as sight. We learn a grasp policy in simulation with tactile noise and transfer it to a real gripper without further training.",
    "Legged machines fall on rough ground. A teacher with privileged terrain maps trains a student that walks over rubble from proprioception alone.",
    "Demonstrations are costly to collect. Action chunks predicted by a conditional generative policy allow bimanual assembly from fifty teleoperated examples.",
  ],
  "medical imaging": [
    "Segmenting tumours in magnetic resonance scans requires expert annotation. Our semi-supervised network with consistency across augmentations needs a tenth of the labelled volumes.",
    "Chest radiograph classifiers learn the hospital rather than the disease. We audit shortcuts across five sites and reduce them by reweighting and lung masks.",
    "Whole-slide pathology images are too large for one pass. Attention over patches predicts survival and marks the regions that a pathologist should examine.",
  ],
  interpretability: [
    "Neurons respond to many unrelated concepts. Sparse dictionaries of activations yield features that humans can name, and ablating them changes behaviour as predicted.",
    "Saliency maps look plausible even for random networks. We propose sanity checks and show which explanation methods depend on the trained weights.",
    "Which circuit carries out addition in a transformer? Patching activations isolates a handful of attention heads whose removal breaks the skill.",
  ],
  "learning theory": [
    "We prove sample complexity bounds for agnostic learning of halfspaces under bounded noise, and a matching lower bound for algorithms that use statistical queries.",
    "Overparameterised networks generalise although they interpolate. A bias-variance decomposition in the kernel regime explains the second descent of the test error.",
    "Bandit problems with delayed feedback arise in advertising. We give an algorithm whose regret grows with the square root of the total delay, which is optimal.",
  ],
  "privacy and safety": [
    "Training with differential privacy lowers accuracy. Public pretraining and larger batches close most of the gap at a budget of three.",
    "Language models memorise and repeat personal data. We measure extraction by prefix prompts and find that deduplication reduces it tenfold.",
    "Instructions hidden in documents hijack assistants. We collect attacks, compare filters and train a model to ignore commands that come from data.",
  ],
  alignment: [
    "Reward models are exploited by the policies trained against them. We ensemble rewards and penalise uncertainty, which delays overoptimisation in preference learning.",
    "Preferences can be learned without a separate reward model. We analyse a direct objective on ranked pairs, show when it overfits, and propose a regularised loss.",
    "A few thousand curated instructions suffice to make a base model follow requests. Adapting low-rank matrices alone is nearly as good as updating all weights.",
  ],
  "sequence architectures": [
    "Attention costs quadratic time in the length of a sequence. A selective recurrence with a parallel scan matches transformers on language and scales linearly to a million steps.",
    "Position encodings decide how far a transformer extrapolates. Interpolating rotary frequencies with little further training extends the context from four to sixty-four thousand tokens.",
    "Most attention mass falls on few blocks. Predicting them from a cheap summary skips the others and speeds up the processing of long prompts.",
  ],
  "scientific applications": [
    "Predicting protein structure from sequence alone still fails for orphan families. A language model of residues replaces alignments and speeds up folding by an order of magnitude.",
    "Neural operators learn solutions of partial differential equations. We emulate weather at a quarter degree and forecast ten days in seconds with skill near physical models.",
    "Searching for new battery materials needs accurate energies. An equivariant interatomic potential with active learning screens a hundred thousand crystals.",
  ],
  "tabular data": [
    "Gradient boosted trees remain hard to beat on tables. We benchmark deep networks on two hundred data sets with equal tuning and describe when embeddings of numerical columns help.",
    "Fraudulent transactions are rare and change over time. Cost-sensitive ensembles with delayed labels detect more fraud at a fixed number of manual reviews.",
    "Missing values and categorical features are encoded by hand in most pipelines. We learn imputations jointly with the classifier and report calibrated probabilities.",
  ],
};
